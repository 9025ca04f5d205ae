//! Who may read something of ours that is no object: the API server is asked who a bearer token is and what they may. It does I/O: the
//! API server. No token is kept, logged or repeated.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest as _, Sha256};
use tokio::time::{Duration, Instant, timeout};

/// How long an answer counts: so late a right that was taken away ends, and so late one that was granted begins.
const ALLOWED_FOR: Duration = Duration::from_secs(60);
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How many answers are kept.
const KEPT: usize = 256;
/// The least time between two tokens that the API server is asked about: anyone can send us new ones, and must not have us send as many.
const APART: Duration = Duration::from_millis(100);
/// How long the API server has for each question.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a bearer token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    Allowed,
    /// Somebody who may not.
    Denied,
    /// Nobody's token.
    Unknown,
}

/// What keeps the API server from saying so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no response within {} s", PATIENCE.as_secs())]
    Late,
    #[error("{}", super::failure::said(.0))]
    Asked(#[from] kube::Error),
}

/// Asks, and remembers for a while.
pub struct Reviews {
    client: Client,
    /// What may be read, as a path of the URL; only `get` is asked for.
    path: &'static str,
    known: Mutex<HashMap<[u8; 32], (Review, Instant)>>,
    /// When the next token may be asked about.
    next: tokio::sync::Mutex<Instant>,
}

impl Reviews {
    pub fn new(client: Client, path: &'static str) -> Self {
        Self { client, path, known: Mutex::default(), next: tokio::sync::Mutex::new(Instant::now()) }
    }

    /// What whoever has this token may.
    pub async fn of(&self, token: &str) -> Result<Review, Error> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        // One at a time: what waits here may be known by then.
        let mut next = self.next.lock().await;
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + APART;
        let review = timeout(PATIENCE, self.ask(token)).await.map_err(|_| Error::Late)??;
        self.remember(digest, review);
        Ok(review)
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Review> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).filter(|(_, until)| Instant::now() < *until).map(|(review, _)| *review)
    }

    fn remember(&self, digest: [u8; 32], review: Review) {
        let lasts = if review == Review::Allowed { ALLOWED_FOR } else { REFUSED_FOR };
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, until)| now < *until);
        // What ends soonest makes room: what was made up before what was allowed.
        let soonest = known.iter().min_by_key(|(_, (_, until))| *until).map(|(digest, _)| *digest);
        if let Some(soonest) = soonest.filter(|_| known.len() >= KEPT) {
            known.remove(&soonest);
        }
        known.insert(digest, (review, now + lasts));
    }

    async fn ask(&self, token: &str) -> Result<Review, kube::Error> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let status = reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Review::Unknown);
        };
        let read = NonResourceAttributes { path: Some(self.path.to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            groups: user.groups,
            uid: user.uid,
            extra: user.extra,
            non_resource_attributes: Some(read),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let status = reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        Ok(if status.allowed { Review::Allowed } else { Review::Denied })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use axum::http::{Request, Response};
    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API server that knows the tokens that begin with `user`, and lets `user-reader` read; how often it was asked about a token.
    fn reviews() -> (Arc<Reviews>, Arc<AtomicUsize>) {
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let count = count.clone();
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let mut review: Value = serde_json::from_slice(&body).unwrap();
                let spec = review["spec"].clone();
                review["status"] = match spec["token"].as_str() {
                    Some(token) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        let user = json!({"username": token, "groups": ["system:authenticated"]});
                        json!({"authenticated": token.starts_with("user"), "user": user})
                    }
                    None => {
                        assert_eq!(spec["nonResourceAttributes"], json!({"path": "/metrics", "verb": "get"}));
                        assert_eq!(spec["groups"], json!(["system:authenticated"]));
                        json!({"allowed": spec["user"] == "user-reader"})
                    }
                };
                Ok::<_, Infallible>(Response::new(Body::from(review.to_string().into_bytes())))
            }
        });
        (Arc::new(Reviews::new(Client::new(service, "default"), "/metrics")), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_asked_for_once_and_counts_for_a_while() {
        let (reviews, asked) = reviews();
        for (token, review, lasts) in [
            ("user-reader", Review::Allowed, ALLOWED_FOR),
            ("user-other", Review::Denied, REFUSED_FOR),
            ("made up", Review::Unknown, REFUSED_FOR),
        ] {
            asked.store(0, Ordering::Relaxed);
            let all = futures::future::join_all((0..20).map(|_| reviews.of(token))).await;
            assert!(all.into_iter().all(|answer| answer.unwrap() == review), "{token}");
            assert_eq!(asked.swap(0, Ordering::Relaxed), 1, "{token}");
            reviews.of(token).await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), 0);
            tokio::time::advance(lasts).await;
            assert_eq!(reviews.of(token).await.unwrap(), review);
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_makes_tokens_up_has_the_api_server_asked_slowly_and_nothing_forgotten_or_hoarded() {
        let (reviews, asked) = reviews();
        reviews.of("user-reader").await.unwrap();
        let began = Instant::now();
        for count in 0..2 * KEPT {
            assert_eq!(reviews.of(&format!("made up {count}")).await.unwrap(), Review::Unknown);
        }
        assert!(began.elapsed() >= APART * (2 * KEPT as u32 - 1));
        let made_up = asked.swap(0, Ordering::Relaxed);
        assert_eq!(made_up, 1 + 2 * KEPT);
        assert!(reviews.known.lock().unwrap().len() <= KEPT);
        assert_eq!(reviews.of("user-reader").await.unwrap(), Review::Allowed);
        assert_eq!(asked.load(Ordering::Relaxed), 0, "it is still known");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_allowed_is_the_last_to_make_room() {
        let (reviews, _) = reviews();
        reviews.remember([0; 32], Review::Allowed);
        for count in 0..KEPT as u32 + 5 {
            let mut digest = [1; 32];
            digest[..4].copy_from_slice(&count.to_be_bytes());
            reviews.remember(digest, Review::Unknown);
        }
        assert_eq!(reviews.known.lock().unwrap().len(), KEPT);
        assert_eq!(reviews.known(&[0; 32]), Some(Review::Allowed));
    }
}
