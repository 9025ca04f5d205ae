//! Keeps one cache filled: lists and watches a kind, for as long as it is told to. Reads the API server, writes nothing.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Resource;
use kube::api::ListParams;
use kube::core::Status;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{
    cache::{Cache, News},
    failure::said,
    objects::{Objects, PAGE},
    sent::Kept,
};

/// Feeds `cache` with what the API server says of `objects`, which are those of one of its scopes, until `token` is cancelled, and hands on
/// all that is new.
///
/// It never gives up: a failure is logged with what to do about it, and tried again after 0.8 to 30 s; where a namespace may not be read
/// after up to half a minute more. The cache goes
/// on with what it knows meanwhile; whether it was ever complete is `Cache::synced`. `on_news` must not block.
pub async fn watch<K>(
    scope: &str,
    objects: Objects<K>,
    cache: Arc<Cache<K>>,
    token: CancellationToken,
    on_news: impl Fn(News<K>),
) where
    K: Kept + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = watcher(objects.into_api(), config).default_backoff().boxed();
    let kind = K::plural(&());
    // The watcher begins its wait anew with every list that it begins: it would ask a namespace that may not be read each second, for ever.
    let mut refusals = 0_u32;
    loop {
        let event = tokio::select! {
            biased;
            () = token.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                let complete = matches!(event, watcher::Event::InitDone);
                on_news(cache.take_in(scope, event));
                if complete {
                    refusals = 0;
                    tracing::debug!(%kind, scope, objects = cache.len(), "complete list");
                }
            }
            Some(Err(error)) => {
                match explain::<K>(scope, &error) {
                    Some(text) => tracing::warn!(%kind, "{text}"),
                    None => tracing::debug!(%kind, "the watch has expired; listing again"),
                }
                if is_refused(&error) && !scope.is_empty() {
                    cache.refused(scope);
                    let wait = Duration::from_secs(1 << refusals.min(5));
                    refusals += 1;
                    token.run_until_cancelled(tokio::time::sleep(wait)).await;
                }
            }
            // The watcher recovers by itself and has no end.
            None => return,
        }
    }
}

/// What keeps a kind from being listed now, and what to do about it, in words; `None` if nothing does.
pub async fn trouble<K>(scope: &str, objects: Objects<K>) -> Option<String>
where
    K: Kept + Clone + DeserializeOwned + Debug,
{
    let error = objects.into_api().list(&ListParams::default().limit(1)).await.err()?;
    explain::<K>(scope, &watcher::Error::InitialListFailed(error))
}

/// Whether the permission is missing.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(status_of(error), Some((_, status)) if status.code == 403)
}

/// What the API server says, and to which verb.
fn status_of(error: &watcher::Error) -> Option<(&'static str, &Status)> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => Some(("list", status)),
        watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(("watch", status)),
        _ => None,
    }
}

/// What went wrong and what to do, in words; `None` where it is normal.
///
/// A text that does not decode is not repeated: it may come out of a Secret.
fn explain<K: Resource<DynamicType = ()>>(scope: &str, error: &watcher::Error) -> Option<String> {
    let Some((verb, status)) = status_of(error) else {
        return Some(match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => explain_transport(error),
            watcher::Error::NoResourceVersion | watcher::Error::WatchError(_) => {
                "the API server gave no resourceVersion, so this kind cannot be watched".to_owned()
            }
        });
    };
    let (group, plural) = (K::group(&()), K::plural(&()));
    let resource = if group.is_empty() { plural.into_owned() } else { format!("{plural}.{group}") };
    Some(match status.code {
        410 => return None,
        401 => "the API server does not accept the operator's credentials: check the operator's ServiceAccount token"
            .to_owned(),
        403 if scope.is_empty() => {
            format!("not allowed: grant the operator's ClusterRole the verb `{verb}` on `{resource}`")
        }
        403 => format!(
            "not allowed: grant the operator the verb `{verb}` on `{resource}` by a Role in the namespace {scope}, or remove that namespace from \
             --watch-namespaces"
        ),
        404 => format!(
            "the API server does not serve `{resource}` in {}: install the CRDs of this version",
            K::version(&())
        ),
        code => format!("could not {verb} `{resource}`, retrying: {} ({code})", status.message),
    })
}

fn explain_transport(error: &kube::Error) -> String {
    match error {
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            "the API server's response cannot be decoded: check that the CRDs are of this version".to_owned()
        }
        error => format!("no response from the API server, retrying: {}", said(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::meta::Key;

    fn refused(code: u16) -> Box<Status> {
        Box::new(Status { code, message: "because".into(), ..Status::default() })
    }

    fn said(error: watcher::Error) -> String {
        explain::<ConfigMap>("", &error).unwrap()
    }

    #[test]
    fn a_refusal_names_the_verb_that_is_missing() {
        let list = said(watcher::Error::InitialListFailed(kube::Error::Api(refused(403))));
        assert!(list.contains("`list` on `configmaps`"), "{list}");
        let watch = said(watcher::Error::WatchStartFailed(kube::Error::Api(refused(403))));
        assert!(watch.contains("`watch` on `configmaps`"), "{watch}");
        let refused = watcher::Error::WatchStartFailed(kube::Error::Api(refused(403)));
        let scoped = explain::<ConfigMap>("clinics", &refused).unwrap();
        assert!(scoped.contains("by a Role in the namespace clinics"), "{scoped}");
    }

    #[test]
    fn a_kind_that_is_not_served_names_the_crds() {
        let text = said(watcher::Error::InitialListFailed(kube::Error::Api(refused(404))));
        assert!(text.contains("install the CRDs"), "{text}");
    }

    #[test]
    fn a_watch_that_is_too_old_is_normal() {
        assert!(explain::<ConfigMap>("", &watcher::Error::WatchError(refused(410))).is_none());
    }

    #[test]
    fn what_does_not_decode_is_not_repeated() {
        let error = serde_json::from_str::<u8>(r#""hunter2""#).unwrap_err();
        assert!(error.to_string().contains("hunter2"));
        let text = said(watcher::Error::WatchFailed(kube::Error::SerdeError(error)));
        assert!(!text.contains("hunter2"), "{text}");
    }

    fn object(name: &str, version: u64) -> Value {
        let metadata =
            json!({"namespace": "clinics", "name": name, "uid": name, "resourceVersion": version.to_string()});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    }

    /// An API server that refuses the first list, then knows `a`, tells of `b`, and falls silent.
    fn api_server() -> Objects<ConfigMap> {
        let lists = Arc::new(Mutex::new(0));
        let service = tower::service_fn(move |request: Request<Body>| {
            let lists = lists.clone();
            async move {
                if request.uri().query().is_some_and(|query| query.contains("watch=")) {
                    // The type comes first, as the API server writes it: what an object is, is known before it is read.
                    let line = format!("{{\"type\":\"ADDED\",\"object\":{}}}\n", object("b", 6));
                    let lines = futures::stream::once(async { Ok::<_, std::io::Error>(line) });
                    let body = axum::body::Body::from_stream(lines.chain(futures::stream::pending()));
                    return Ok::<_, std::convert::Infallible>(Response::new(body));
                }
                *lists.lock().unwrap() += 1;
                if *lists.lock().unwrap() == 1 {
                    let status = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"});
                    return Ok(Response::builder().status(403).body(status.to_string().into()).unwrap());
                }
                let list = json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"},
                    "items": [object("a", 1)]});
                Ok(Response::new(list.to_string().into()))
            }
        });
        Objects::all(kube::Client::new(service, "default"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_cache_is_filled_and_kept_up_until_the_end() {
        let cache = Arc::new(Cache::<ConfigMap>::new(|_, _| ()));
        let (token, seen) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let (stop, log) = (token.clone(), seen.clone());
        let on_news = move |news: News<ConfigMap>| {
            log.lock().unwrap().extend(news.changes.iter().map(|change| change.key().name));
            if log.lock().unwrap().len() == 2 {
                stop.cancel();
            }
        };
        watch("", api_server(), cache.clone(), token, on_news).await;
        assert!(cache.synced());
        assert!(cache.get(&Key::new("clinics", "b")).is_some());
        assert_eq!(*seen.lock().unwrap(), ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_may_not_be_read_is_asked_less_and_less_often() {
        let lists = Arc::new(Mutex::new(0));
        let asked = lists.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            *asked.lock().unwrap() += 1;
            let status = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"});
            let answer = Response::builder().status(403).body(axum::body::Body::from(status.to_string())).unwrap();
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        let objects: Objects<ConfigMap> = Objects::all(kube::Client::new(service, "default"));
        let cache = Arc::new(Cache::<ConfigMap>::of(&["clinics".to_owned()], |_, _| ()));
        let watching = watch("clinics", objects, cache.clone(), CancellationToken::new(), |_| ());
        tokio::time::timeout(Duration::from_secs(600), watching).await.unwrap_err();
        let lists = *lists.lock().unwrap();
        assert!((10..30).contains(&lists), "{lists} times in ten minutes");
        assert!(!cache.knows("clinics"));
    }
}
