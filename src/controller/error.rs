//! Why a pass ended before its plan said so, and how long the API server is waited for.

use std::time::Duration;

use crate::cluster::failure::said;

/// Why a pass ended before the plan said so. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Normal when two writers meet (409), or while the API server is away.
    #[error("the API server: {}", said(.0))]
    // No source: whoever prints the chain would print what the error quotes.
    Api(Box<kube::Error>),
    /// The object that a plan spoke of is not there any more. Normal when somebody is faster.
    #[error("{0} was deleted")]
    Gone(String),
    /// What comes next would be sent, or end an object: normal in a dry run.
    #[error("a dry run goes no further")]
    DryRun,
    /// A bug: a plan asks for the same look again and again.
    #[error("the plan does not converge; this is a bug in Dialplane")]
    Circles,
    /// A bug: a plan asks for something that its kind does not have.
    #[error("a plan for {0} needs something that this kind does not have; this is a bug in Dialplane")]
    NotForThisKind(&'static str),
}

impl Error {
    /// Whether somebody else wrote the object first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Error::Api(error) if code(error) == Some(409))
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Error::Api(Box::new(error))
    }
}

/// How long the API server may take to answer. Its own limit for a request is a minute, and a connection may die unnoticed.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for an answer of the API server, and not for ever: one that is lost must not hold its object up. A write without an
/// answer may have been done; the next pass reads what is there.
pub async fn answered<T>(request: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    tokio::time::timeout(DEADLINE, request).await.unwrap_or_else(|late| Err(kube::Error::Service(late.into())))
}

pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_is_an_error_that_is_tried_again() {
        let lost = answered(std::future::pending::<kube::Result<()>>()).await;
        assert!(matches!(lost, Err(kube::Error::Service(_))));
    }
}
