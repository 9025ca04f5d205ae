//! Who leads, in sentences: the decision alone, then candidates against one Lease in memory. Time is paused.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn clock(second: i64) -> MicroTime {
    MicroTime(Timestamp::from_second(second).unwrap())
}

fn held(by: &str, since: Instant) -> Observed {
    let spec = LeaseSpec {
        holder_identity: Some(by.into()),
        lease_duration_seconds: Some(20),
        acquire_time: Some(clock(1)),
        renew_time: Some(clock(2)),
        lease_transitions: Some(4),
        ..LeaseSpec::default()
    };
    Observed { spec, since, live: false }
}

fn written(decision: Decision) -> LeaseSpec {
    match decision {
        Decision::Write(spec) => spec,
        Decision::Wait { holder } => panic!("waits for {holder}"),
    }
}

#[test]
fn a_lease_that_nobody_made_is_taken() {
    let spec = written(decide(None, "a", DURATION, Instant::now(), clock(9)));
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("a"), Some(0)));
    assert_eq!((spec.lease_duration_seconds, spec.acquire_time), (Some(15), Some(clock(9))));
}

#[test]
fn our_own_lease_is_renewed_and_remembers_since_when() {
    let now = Instant::now();
    let spec = written(decide(Some(&held("a", now)), "a", DURATION, now, clock(9)));
    assert_eq!((spec.acquire_time, spec.renew_time, spec.lease_transitions), (Some(clock(1)), Some(clock(9)), Some(4)));
}

#[test]
fn anothers_lease_is_left_for_as_long_as_its_holder_promised() {
    let now = Instant::now();
    let seen = held("b", now);
    let wait = Decision::Wait { holder: "b".into() };
    assert_eq!(decide(Some(&seen), "a", DURATION, now + SECOND * 19, clock(9_999_999)), wait);
    let spec = written(decide(Some(&seen), "a", DURATION, now + SECOND * 20, clock(0)));
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("a"), Some(5)));
    assert_eq!(spec.acquire_time, Some(clock(0)));
}

#[test]
fn a_lease_that_was_released_is_taken_at_once() {
    let now = Instant::now();
    for empty in [None, Some(String::new())] {
        let mut seen = held("b", now);
        seen.spec.holder_identity = empty;
        assert_eq!(written(decide(Some(&seen), "a", DURATION, now, clock(9))).lease_transitions, Some(5));
    }
}

#[test]
fn the_time_counts_from_the_last_change_that_was_seen() {
    let now = Instant::now();
    let same = Observed::again(Some(held("b", now)), held("b", now).spec, now + SECOND, true);
    assert_eq!(same.since, now);
    let mut renewed = held("b", now).spec;
    renewed.renew_time = Some(clock(1));
    assert_eq!(
        Observed::again(Some(same), renewed, now + SECOND, true).since,
        now + SECOND,
        "also when clocks go backwards"
    );
}

/// The API server's side of one Lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(Option<Value>, u64)>>);

impl Server {
    /// A client of it, that gets no answer any more once `cut` is cancelled.
    fn client(&self, cut: &CancellationToken) -> Client {
        let (server, cut) = (self.clone(), cut.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, cut) = (server.clone(), cut.clone());
            async move {
                if cut.is_cancelled() {
                    std::future::pending::<()>().await;
                }
                let (head, body) = request.into_parts();
                let (code, answer) = server.answer(&head.method, &body.collect_bytes().await.unwrap());
                let response = Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, Infallible>(response.unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (u16, Value) {
        let mut state = self.0.lock().unwrap();
        let status = |code: u16| {
            let reason = if code == 404 { "NotFound" } else { "Conflict" };
            (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason}))
        };
        let stored = state.0.clone();
        let mut sent: Value = match (method, &stored) {
            (&Method::GET, Some(record)) => return (200, record.clone()),
            (&Method::GET, None) => return status(404),
            (&Method::POST, Some(_)) => return status(409),
            _ => serde_json::from_slice(body).unwrap(),
        };
        let version = |record: &Value| record["metadata"]["resourceVersion"].clone();
        if stored.is_some_and(|record| version(&record) != version(&sent)) {
            return status(409);
        }
        state.1 += 1;
        sent["metadata"]["resourceVersion"] = state.1.to_string().into();
        state.0 = Some(sent.clone());
        (200, sent)
    }

    fn holder(&self) -> Option<String> {
        self.0.lock().unwrap().0.as_ref()?["spec"]["holderIdentity"].as_str().map(str::to_owned)
    }

    fn candidate(&self, identity: &str, cut: &CancellationToken) -> Lease {
        Lease::new(self.client(cut), "dialplane", "dialplane", identity, DURATION, Handle::current())
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_goes_on_leading() {
    let (server, token) = (Server::default(), CancellationToken::new());
    let first = server.candidate("a", &token).lead(&token).await.unwrap();
    let second = server.candidate("b", &token);
    assert!(timeout(SECOND * 120, second.lead(&token)).await.is_err(), "it waits for as long as the first renews");
    assert!(!first.lost().is_cancelled());
    assert_eq!(server.holder().unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn whoever_leads_knows_whether_another_may_still_be_heard_of() {
    let (server, token) = (Server::default(), CancellationToken::new());
    let first = server.candidate("a", &token).lead(&token).await.unwrap();
    assert!(first.past() == Past::default(), "there was no Lease");
    first.release().await;
    let second = server.candidate("b", &token).lead(&token).await.unwrap();
    assert!(second.past() == Past::default(), "it was released in order");
    drop(second);
    let third = server.candidate("c", &token).lead(&token).await.unwrap();
    assert!(third.past() == Past { cut_off: true, gap: false }, "it was left to run out");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_has_written_for_long_may_come_from_a_backup() {
    for held in [false, true] {
        let (server, token) = (Server::default(), CancellationToken::new());
        let first = server.candidate("a", &token).lead(&token).await.unwrap();
        match held {
            true => drop(first),
            false => first.release().await,
        }
        server.0.lock().unwrap().0.as_mut().unwrap()["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z".into();
        let next = server.candidate("b", &token).lead(&token).await.unwrap();
        assert!(next.past() == Past { cut_off: held, gap: true }, "{held}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_passes_on_without_waiting_for_its_end() {
    let (server, token) = (Server::default(), CancellationToken::new());
    let first = server.candidate("a", &token).lead(&token).await.unwrap();
    let lost = first.lost();
    first.release().await;
    assert!(lost.is_cancelled());
    assert_eq!(server.holder(), None);
    let begun = Instant::now();
    server.candidate("b", &token).lead(&token).await.unwrap();
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_an_answer_gives_up_before_another_takes_over() {
    let (server, token, cut) = (Server::default(), CancellationToken::new(), CancellationToken::new());
    let first = server.candidate("a", &cut).lead(&token).await.unwrap();
    let second = server.candidate("b", &token);
    let begun = Instant::now();
    let second =
        tokio::spawn(async move { second.lead(&CancellationToken::new()).await.map(|lead| (lead, Instant::now())) });
    sleep(SECOND * 2).await;
    cut.cancel();
    first.lost().cancelled().await;
    assert!(begun.elapsed() <= SECOND * 10, "two thirds of 15 s");
    let (_lead, since) = second.await.unwrap().unwrap();
    let after = since - begun;
    assert!(after >= SECOND * 15 && after < SECOND * 20, "{after:?}");
    assert_eq!(server.holder().unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_notices() {
    let (server, token) = (Server::default(), CancellationToken::new());
    let first = server.candidate("a", &token).lead(&token).await.unwrap();
    server.0.lock().unwrap().0.as_mut().unwrap()["spec"]["holderIdentity"] = "b".into();
    timeout(SECOND * 6, first.lost().cancelled()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_dropped_lets_its_lease_run_out() {
    let (server, token) = (Server::default(), CancellationToken::new());
    drop(server.candidate("a", &token).lead(&token).await);
    let begun = Instant::now();
    server.candidate("b", &token).lead(&token).await.unwrap();
    assert!(begun.elapsed() >= DURATION);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_told_to_stop_stops_waiting() {
    let (server, token) = (Server::default(), CancellationToken::new());
    let _first = server.candidate("a", &token).lead(&token).await.unwrap();
    let second = server.candidate("b", &token);
    let stop = CancellationToken::new();
    let waiting = tokio::spawn({
        let stop = stop.clone();
        async move { second.lead(&stop).await.is_none() }
    });
    sleep(SECOND).await;
    stop.cancel();
    assert!(timeout(SECOND, waiting).await.unwrap().unwrap());
}
