//! Every number of the key, or an error. Does I/O.
//!
//! How the list is cut off is documented in two ways (section 2.2): not at all up to 1,000 numbers, or by `limit` and `offset`, 25 at a
//! time unless more is asked for. So no limit is sent at first, and what came is whole only if nothing says otherwise. A number that
//! is missing from a listing may be taken for lost.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::{
    Nixflex,
    errors::{self, torn},
    wire::WireNumber,
};
use crate::carrier::{CarrierError, ErrorClass, budget::Budget, lenient};

const NUMBERS: &str = "/v1/phone-numbers";
/// The most numbers that come where there are no pages. So many may be all or not.
const MOST: usize = 1000;
/// How many come where there are pages and nobody asks for more. A multiple of it may be a page.
const USUAL: usize = 25;
/// The most that may be asked for there.
const LIMIT: usize = 100;

/// An answer of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(deserialize_with = "lenient::rows")]
    phone_numbers: Vec<WireNumber>,
    /// How many there are in all, or how many are shown: nobody says which.
    count: usize,
}

impl Page {
    fn first(&self) -> Option<&str> {
        self.phone_numbers.first().map(|row| &*row.phone_number)
    }
}

/// What one filter of the list lets through.
enum Shown {
    Whole(Vec<WireNumber>),
    /// There are more than can be had in this way.
    Part {
        rows: Vec<WireNumber>,
        count: usize,
    },
}

impl Nixflex {
    /// Every row of the key.
    pub(super) async fn rows(&self) -> Result<Vec<WireNumber>, CarrierError> {
        let mut budget = Budget::new(errors::NAME);
        match self.shown(None, &mut budget).await? {
            Shown::Whole(rows) => Ok(rows),
            Shown::Part { rows, count } => self.by_agent(rows, count, &mut budget).await,
        }
    }

    /// The rows of one agent, or of all.
    async fn shown(&self, agent: Option<&str>, budget: &mut Budget) -> Result<Shown, CarrierError> {
        let Page { phone_numbers: rows, count } = self.page(agent, None, budget).await?;
        if count < rows.len() || rows.is_empty() && count > 0 {
            return Err(torn("the list has another number of rows than it says"));
        }
        let seems_whole = count == rows.len() && (rows.is_empty() || !rows.len().is_multiple_of(USUAL));
        let shown = if seems_whole && rows.len() < MOST {
            Shown::Whole(rows)
        } else {
            self.paged(agent, rows, count, budget).await?
        };
        match shown {
            Shown::Whole(rows) => once_each(rows).map(Shown::Whole),
            part => Ok(part),
        }
    }

    /// Goes on behind `rows` page by page, where the server knows of pages. Each page begins with the last row of the one before: if
    /// it does not, rows have come or gone meanwhile, and one may have been skipped.
    async fn paged(
        &self,
        agent: Option<&str>,
        mut rows: Vec<WireNumber>,
        count: usize,
        budget: &mut Budget,
    ) -> Result<Shown, CarrierError> {
        let first = rows.first().map(|row| row.phone_number.clone());
        // Whether every count so far was that of all, and whether each was that of its page.
        let (mut of_all, mut of_page) = (true, count == rows.len());
        let mut more = false;
        loop {
            let last = rows.last().map(|row| row.phone_number.clone());
            let page = match self.page(agent, Some(rows.len() - 1), budget).await {
                Ok(page) => page,
                // A server that takes no `offset` has no pages.
                Err(error) if !more && error.class == ErrorClass::Rejected => return unpaged(rows, count),
                Err(error) => return Err(error),
            };
            if page.first() != last.as_deref() {
                let is_same_again = !more && page.first() == first.as_deref();
                return if is_same_again {
                    unpaged(rows, count)
                } else {
                    Err(torn("the list changed while it was read"))
                };
            }
            of_all &= page.count == count;
            of_page &= page.count == page.phone_numbers.len();
            if page.phone_numbers.len() == 1 {
                return match of_page || of_all && count == rows.len() {
                    true => Ok(Shown::Whole(rows)),
                    false => Err(torn("the list has another number of rows than it says")),
                };
            }
            more = true;
            rows.extend(page.phone_numbers.into_iter().skip(1));
        }
    }

    /// Goes agent by agent: those that are listed, which are only those that are switched on (section 3), and those that rows name.
    /// Numbers of agents that are neither are shown by no filter, so what came is all only if there are as many as was said.
    async fn by_agent(
        &self,
        rows: Vec<WireNumber>,
        count: usize,
        budget: &mut Budget,
    ) -> Result<Vec<WireNumber>, CarrierError> {
        if count <= rows.len() {
            return Err(unlistable());
        }
        let mut agents: BTreeSet<String> = self.agent_ids(budget).await?;
        agents.extend(rows.iter().filter_map(|row| row.agent_id.clone()));
        let keyed = |row: WireNumber| (row.phone_number.clone(), row);
        let mut all: BTreeMap<String, WireNumber> = rows.into_iter().map(keyed).collect();
        for agent in agents {
            match self.shown(Some(&agent), budget).await? {
                Shown::Whole(rows) => all.extend(rows.into_iter().map(keyed)),
                Shown::Part { .. } => return Err(unlistable()),
            }
        }
        match all.len().cmp(&count) {
            std::cmp::Ordering::Equal => Ok(all.into_values().collect()),
            std::cmp::Ordering::Less => Err(unlistable()),
            std::cmp::Ordering::Greater => Err(torn("the list changed while it was read")),
        }
    }

    pub(super) async fn page(
        &self,
        agent: Option<&str>,
        offset: Option<usize>,
        budget: &mut Budget,
    ) -> Result<Page, CarrierError> {
        let agent = agent.map(|agent| format!("agent_id={}", byte_serialize(agent.as_bytes()).collect::<String>()));
        let offset = offset.map(|offset| format!("limit={LIMIT}&offset={offset}"));
        let query = agent.into_iter().chain(offset).collect::<Vec<_>>().join("&");
        let (page, bytes): (Page, _) = self.http.read_sized(self.call(NUMBERS, &[], &query)).await?;
        budget.take(page.phone_numbers.len(), bytes)?;
        Ok(page)
    }
}

/// What came of a server that has no pages.
fn unpaged(rows: Vec<WireNumber>, count: usize) -> Result<Shown, CarrierError> {
    Ok(if count == rows.len() && count < MOST { Shown::Whole(rows) } else { Shown::Part { rows, count } })
}

fn once_each(rows: Vec<WireNumber>) -> Result<Vec<WireNumber>, CarrierError> {
    let mut seen = HashSet::new();
    match rows.iter().all(|row| seen.insert(&*row.phone_number)) {
        true => Ok(rows),
        false => Err(torn("a number is in the list twice")),
    }
}

/// What nobody can list.
fn unlistable() -> CarrierError {
    let text = "Nixflex does not list all numbers of its API key: it lists at most 1,000, and agent by agent none of agents that are \
                disabled or deleted; remove the numbers of such agents at Nixflex, or split the numbers between several keys";
    CarrierError::new(ErrorClass::Transient, text)
}
