//! Reading a list of Twilio's to its end, and noticing when what came is not all of it. No I/O of its own.
//!
//! A number that is missing from a listing may be taken for lost, so a listing is whole or it is an error.

use std::collections::HashSet;

use super::errors::NAME;
use crate::carrier::{self, CarrierError};

/// The most rows to a page that Twilio gives (section 1.1).
pub(super) const FIRST_PAGE: &str = "PageSize=1000";
/// The longest link to a next page that is followed.
const LONGEST_LINK: usize = 4096;

/// One page of one of Twilio's lists.
pub(super) trait Page {
    type WireNumber: Keyed;

    /// Where this page says it stands, and which follows.
    fn place(&self) -> Place<'_>;
    fn into_rows(self) -> Vec<Self::WireNumber>;
}

/// A row's own name, which no list shows twice.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

/// What the envelope of a page says of it; old and new APIs say it in different fields, and not all of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    pub rows: usize,
    pub page: Option<i64>,
    pub page_size: Option<i64>,
    /// The indexes of the first and the last row.
    pub span: Option<(i64, i64)>,
    /// Twilio's link to the next page, absolute or relative to the host. Empty is the same as none.
    pub next: Option<&'a str>,
}

/// A list that is being read: which page to ask for, and what came so far.
///
/// Of Twilio's links only the query is followed: the path is the one asked for first, so that an answer can send our
/// credentials nowhere else, and an endpoint with a path of its own keeps working.
#[derive(Debug)]
pub(super) struct Reading<R> {
    /// The query of the page to ask for, until the last one came.
    query: Option<String>,
    /// What told the pages apart that were asked for.
    asked: HashSet<String>,
    /// How many rows a page held that said one more; it is asked for once more.
    doubted: Option<usize>,
    /// A page said one more than it holds whenever it was asked: that is how it is counted there.
    says_one_more: bool,
    /// As they came: to put them into one list while more are to come would hold them twice.
    rows: Vec<Vec<R>>,
}

impl<R: Keyed> Reading<R> {
    /// Begins with the page that `first` asks for.
    pub fn new(first: &str) -> Self {
        let asked = HashSet::from([token(first)]);
        Self { query: Some(first.to_owned()), asked, doubted: None, says_one_more: false, rows: Vec::new() }
    }

    /// The query of the page to ask for now; none when all have come.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Takes in the page that was asked for.
    pub fn take<P: Page<WireNumber = R>>(&mut self, page: P) -> Result<(), CarrierError> {
        let place = page.place();
        // The first page was counted when the reading began, each other one when its link was taken.
        if check(&place, self.asked.len() - 1)? && !self.says_one_more {
            match self.doubted.replace(place.rows) {
                None => return Ok(()),
                Some(before) if before == place.rows => self.says_one_more = true,
                Some(_) => return Err(torn("a page had a different number of rows each time")),
            }
        }
        self.doubted = None;
        self.query = place.next.filter(|next| !next.is_empty()).map(next_query).transpose()?;
        if let Some(next) = &self.query
            && !self.asked.insert(token(next))
        {
            return Err(torn("a page links back to an earlier one"));
        }
        self.rows.push(page.into_rows());
        Ok(())
    }

    /// Every row, once each.
    pub fn finish(self) -> Result<Vec<R>, CarrierError> {
        let mut seen = HashSet::new();
        match self.rows.iter().flatten().all(|row| seen.insert(row.key())) {
            true => Ok(self.rows.into_iter().flatten().collect()),
            // Pages shift under a reader while numbers are bought and released; another may then have been skipped.
            false => Err(torn("a row is in the list twice")),
        }
    }
}

/// An answer that is not a whole listing. What is seen of it is thrown away: a part would look like numbers lost.
pub(super) fn torn(why: &str) -> CarrierError {
    carrier::torn(NAME, why)
}

/// Whether a page says that it holds one row more than it does. That may be a row that is missing, or the way its `end` is counted; any
/// other number is torn.
fn check(place: &Place<'_>, index: usize) -> Result<bool, CarrierError> {
    let rows = place.rows as i64;
    let more = place.next.is_some_and(|next| !next.is_empty());
    if rows == 0 && more {
        return Err(torn("a page before the last is empty"));
    }
    if place.page.is_some_and(|page| page != index as i64) {
        return Err(torn("a page has another page number than the requested one"));
    }
    if place.page_size.is_some_and(|size| rows > size) {
        return Err(torn("a page has more rows than its page size"));
    }
    let Some((start, end)) = place.span else { return Ok(false) };
    // An empty list is shown as 0 to 0, as one row is.
    match end.saturating_sub(start).saturating_add(1).saturating_sub(rows) {
        0 | -1 => Ok(false),
        1 => Ok(rows > 0),
        _ => Err(torn("a page has another number of rows than it says")),
    }
}

fn next_query(link: &str) -> Result<String, CarrierError> {
    let query = link.split_once('?').map(|(_, query)| query);
    let query = query.filter(|query| !query.is_empty() && query.len() <= LONGEST_LINK);
    query.map(str::to_owned).ok_or_else(|| torn("a page has no valid link to the next one"))
}

/// What tells one page from another: its token, or where there is none, the whole query.
fn token(query: &str) -> String {
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "PageToken");
    token.map_or_else(|| query.to_owned(), |(_, token)| token.into_owned())
}
