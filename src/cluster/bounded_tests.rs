//! How a page that is too large is asked for.

use std::sync::Mutex as StdMutex;

use http::StatusCode;

use super::*;

/// An API server with so many objects of such sizes, which notes how many were asked for each time.
fn server(sizes: Vec<usize>) -> (Client, Arc<StdMutex<Vec<u32>>>) {
    let asked = Arc::new(StdMutex::new(Vec::new()));
    let log = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let number = |name| parameter(request.uri(), name).and_then(|text| text.parse::<usize>().ok());
        let (limit, from) = (number("limit").unwrap_or(usize::MAX), number("continue").unwrap_or(0));
        log.lock().unwrap().push(limit as u32);
        let page = &sizes[from..sizes.len().min(from.saturating_add(limit))];
        let items: Vec<String> = page.iter().map(|size| format!("\"{}\"", "x".repeat(*size))).collect();
        let end = from + page.len();
        let next = if end < sizes.len() { end.to_string() } else { String::new() };
        let text = format!(r#"{{"continue":"{next}","items":[{}]}}"#, items.join(","));
        async move { Ok::<_, std::convert::Infallible>(Response::new(Body::from(text.into_bytes()))) }
    });
    (bounded(Client::new(service, "default")), asked)
}

/// How many objects come with each page of at most `limit`.
async fn pages(client: &Client, limit: u32) -> Vec<usize> {
    let (mut next, mut pages) = (String::new(), Vec::new());
    loop {
        let uri = format!("/apis/x?labelSelector=a%3Db&limit={limit}&continue={next}");
        let page: serde_json::Value = client.request(Request::get(uri).body(Vec::new()).unwrap()).await.unwrap();
        pages.push(page["items"].as_array().unwrap().len());
        next = page["continue"].as_str().unwrap().to_owned();
        if next.is_empty() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_list_of_small_objects_is_read_in_pages_as_they_were_asked_for() {
    let (client, asked) = server(vec![1000; 1200]);
    assert_eq!(pages(&client, 500).await, [500, 500, 200]);
    assert_eq!(*asked.lock().unwrap(), [500, 500, 500]);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_again_with_fewer_and_later_pages_grow_again() {
    let large = 1_400_000;
    let sizes = [vec![1000; 100], vec![large; 6], vec![1000; 400]].concat();
    let (client, asked) = server(sizes);
    let pages = pages(&client, 500).await;
    assert_eq!(pages.iter().sum::<usize>(), 506);
    let asked = asked.lock().unwrap();
    assert!(asked.len() < 40, "{asked:?}");
    assert_eq!(&asked[..2], [500, 125]);
    assert!(pages.iter().any(|page| *page >= 64), "it grows again: {pages:?}");
}

#[tokio::test]
async fn an_object_that_is_larger_than_any_page_comes_alone() {
    let (client, _) = server(vec![10, PAGE + 1, 10]);
    assert_eq!(pages(&client, 500).await.iter().sum::<usize>(), 3);
}

#[tokio::test]
async fn an_answer_without_end_is_an_error() {
    let service = tower::service_fn(|_: Request<Body>| async {
        let chunk = Bytes::from(vec![b' '; 1 << 20]);
        let chunks = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        Ok::<_, std::convert::Infallible>(Response::new(axum::body::Body::from_stream(chunks)))
    });
    let client = bounded(Client::new(service, "default"));
    for uri in ["/api/x", "/api/x?limit=500"] {
        let answer = client.request_text(Request::get(uri).body(Vec::new()).unwrap()).await;
        assert!(answer.is_err(), "{uri}");
    }
}

#[tokio::test]
async fn a_watch_and_a_refusal_pass_as_they_are() {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let status = json_status(403);
        let is_watch = request.uri().query().unwrap_or_default().contains("limit=1&watch=true");
        let (code, body) = if is_watch { (StatusCode::OK, "{}".to_owned()) } else { (StatusCode::FORBIDDEN, status) };
        let body = Body::from(body.into_bytes());
        Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
    });
    let client = bounded(Client::new(service, "default"));
    let ask = async |uri: &str| client.request_text(Request::get(uri).body(Vec::new()).unwrap()).await;
    assert_eq!(ask("/api/x?limit=1&watch=true").await.unwrap(), "{}");
    let refused = ask("/api/x?limit=1").await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
}

fn json_status(code: u16) -> String {
    serde_json::json!({"kind": "Status", "status": "Failure", "code": code, "reason": "Forbidden"}).to_string()
}
