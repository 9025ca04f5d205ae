//! Answers of the API server that are no larger than there is room for. It does I/O.
//!
//! One object may have a megabyte and a half, and it is users who make it so: a page of 500 may be larger than all the memory that
//! there is. How many objects fit on a page only shows when it comes. So a page that grows too large is dropped and asked for
//! again with fewer on it, and after one that was small the next may have more. Whoever lists notices nothing of it: a page
//! may always have fewer objects than were asked for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Bytes;
use http::{Method, Request, Response, Uri, request::Parts};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use tokio::sync::Semaphore;

/// How large a page of several objects may be. It is held about three times over while it is decoded.
const PAGE: usize = 4 << 20;
/// How large any other answer may be, and a page of one object: many times what etcd takes for one.
const ANSWER: usize = 32 << 20;
/// An answer that is larger than this waits until there is room for it. Every write of an Agent is answered by the whole of it, and
/// many are written at once.
const SMALL: usize = 128 << 10;
/// How many of those are read at once. Each is decoded as soon as it was read, without anything to wait for in between.
const LARGE_AT_ONCE: usize = 2;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Bounded = UnsyncBoxBody<Bytes, BoxError>;

/// The same client, whose answers are bounded.
pub fn bounded(client: Client) -> Client {
    let (namespace, until) = (client.default_namespace().to_owned(), *client.valid_until());
    let room = Arc::new(Room { sizes: Sizes::default(), large: Semaphore::new(LARGE_AT_ONCE) });
    let service = tower::service_fn(move |request| {
        let (client, room) = (client.clone(), room.clone());
        async move { send(&client, &room, request).await }
    });
    Client::new(service, namespace).with_valid_until(until)
}

/// What is known of how much room there is.
struct Room {
    sizes: Sizes,
    large: Semaphore,
}

async fn send(client: &Client, room: &Room, request: Request<Body>) -> Result<Response<Bounded>, BoxError> {
    match asked(&request) {
        // It has no end, and its events are taken one by one.
        Asked::Watch => Ok(client.send(request).await?.map(|body| body.map_err(BoxError::from).boxed_unsync())),
        Asked::Page(limit) => page(client, room, request.into_parts().0, limit).await,
        Asked::Other => {
            let (head, body) = client.send(request).await?.into_parts();
            Ok(Response::from_parts(head, complete(room.read(body, ANSWER).await?)))
        }
    }
}

/// What a request asks for.
enum Asked {
    Watch,
    /// A page of at most so many objects.
    Page(u32),
    Other,
}

fn asked(request: &Request<Body>) -> Asked {
    if request.method() != Method::GET {
        return Asked::Other;
    }
    if parameter(request.uri(), "watch").is_some_and(|value| matches!(&*value, "true" | "1")) {
        return Asked::Watch;
    }
    let limit = parameter(request.uri(), "limit").and_then(|limit| limit.parse().ok());
    limit.filter(|limit| *limit > 0).map_or(Asked::Other, Asked::Page)
}

/// A page of at most `asked` objects, of as many as there is room for.
async fn page(client: &Client, room: &Room, parts: Parts, asked: u32) -> Result<Response<Bounded>, BoxError> {
    let path = parts.uri.path().to_owned();
    let mut size = room.sizes.of(&path).unwrap_or(asked).min(asked);
    loop {
        let mut request = Request::from_parts(parts.clone(), Body::empty());
        *request.uri_mut() = with_limit(&parts.uri, size)?;
        let (head, body) = client.send(request).await?.into_parts();
        let most = if size == 1 { ANSWER } else { PAGE };
        match room.read(body, most).await {
            Ok(bytes) => {
                room.sizes.set(path, next_size(size, bytes.len()));
                return Ok(Response::from_parts(head, complete(bytes)));
            }
            Err(error) if size > 1 && error.is::<LengthLimitError>() => size = (size / 4).max(1),
            Err(error) => return Err(error),
        }
    }
}

impl Room {
    /// Reads a body of at most so many bytes to its end.
    async fn read(&self, body: Body, most: usize) -> Result<Bytes, BoxError> {
        let (mut body, mut read, mut room) = (Limited::new(body, most), Vec::new(), None);
        while let Some(frame) = body.frame().await.transpose()? {
            let Ok(data) = frame.into_data() else { continue };
            if room.is_none() && read.len() + data.len() > SMALL {
                room = Some(self.large.acquire().await?);
            }
            read.extend_from_slice(&data);
        }
        Ok(read.into())
    }
}

fn complete(bytes: Bytes) -> Bounded {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// How many objects the page after one of so many and so large may have: twice as many, if as many again would have fitted.
fn next_size(size: u32, bytes: usize) -> u32 {
    if bytes <= PAGE / 2 { size.saturating_mul(2) } else { size }
}

/// How many objects the next page of each list may have, by its path. A list that was never too large has no entry that matters.
#[derive(Debug, Default)]
struct Sizes(Mutex<HashMap<String, u32>>);

impl Sizes {
    fn of(&self, path: &str) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied()
    }

    fn set(&self, path: String, size: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path, size);
    }
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).find(|(is, _)| is == name).map(|(_, value)| value.into_owned())
}

/// The same request for another number of objects.
fn with_limit(uri: &Uri, limit: u32) -> Result<Uri, BoxError> {
    let others =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter(|(name, _)| name != "limit");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("limit", &limit.to_string())
        .finish();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{query}", uri.path()).parse()?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
#[path = "bounded_tests.rs"]
mod tests;
