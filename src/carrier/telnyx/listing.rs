//! Reading a list of Telnyx's to its end, and noticing when what came is not all of it. No I/O of its own.
//!
//! A number that is missing from a listing may be taken for lost, so a listing is whole or it is an error. Pages are cut by
//! their number alone (section 1): rows that come or go meanwhile shift all others, which the totals on every page show.

use std::collections::HashSet;

use serde::Deserialize;

use super::errors::NAME;
use crate::carrier::{self, CarrierError, lenient};

/// The most rows to a page that Telnyx gives (section 1).
const PAGE_SIZE: u64 = 250;

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de>"))]
pub(super) struct Page<R> {
    #[serde(deserialize_with = "lenient::rows")]
    data: Vec<R>,
    meta: Meta,
}

impl<R> Page<R> {
    /// How many rows are on it.
    pub fn rows(&self) -> usize {
        self.data.len()
    }
}

/// Where a page says it stands, and how much there is in all.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Meta {
    page_number: u64,
    /// May be less than was asked for.
    page_size: u64,
    total_pages: u64,
    total_results: u64,
}

/// A row's own name, which no list shows twice.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

/// A list that is being read: which page to ask for, and what came so far.
#[derive(Debug)]
pub(super) struct Reading<R> {
    filter: String,
    next: Option<u64>,
    first: Option<Meta>,
    /// As they came: to put them into one list while more are to come would hold them twice.
    rows: Vec<Vec<R>>,
}

impl<R: Keyed> Reading<R> {
    /// Begins with the first page of what `filter` lets through: an encoded query, or nothing.
    pub fn new(filter: &str) -> Self {
        Self { filter: filter.to_owned(), next: Some(1), first: None, rows: Vec::new() }
    }

    /// The query of the page to ask for now; none when all have come.
    pub fn query(&self) -> Option<String> {
        let page = format!("page%5Bnumber%5D={}&page%5Bsize%5D={PAGE_SIZE}", self.next?);
        Some(if self.filter.is_empty() { page } else { format!("{}&{page}", self.filter) })
    }

    /// Takes in the page that was asked for.
    pub fn take(&mut self, page: Page<R>) -> Result<(), CarrierError> {
        let Page { data, meta } = page;
        let asked = self.next.unwrap_or_default();
        check(&meta, asked, data.len() as u64)?;
        let first = *self.first.get_or_insert(meta);
        if (first.page_size, first.total_results) != (meta.page_size, meta.total_results) {
            return Err(torn("the list changed while it was read"));
        }
        self.rows.push(data);
        self.next = (asked < meta.total_pages).then_some(asked + 1);
        Ok(())
    }

    /// Every row, once each.
    pub fn finish(self) -> Result<Vec<R>, CarrierError> {
        let mut seen = HashSet::new();
        match self.rows.iter().flatten().all(|row| seen.insert(row.key())) {
            true => Ok(self.rows.into_iter().flatten().collect()),
            // One went and another came meanwhile: a third may then have been skipped.
            false => Err(torn("a row is in the list twice")),
        }
    }
}

/// An answer that is not a whole listing. What is seen of it is thrown away: a part would look like numbers lost.
pub(super) fn torn(why: &str) -> CarrierError {
    carrier::torn(NAME, why)
}

fn check(meta: &Meta, asked: u64, rows: u64) -> Result<(), CarrierError> {
    let Meta { page_number, page_size, total_pages, total_results } = *meta;
    if page_number != asked {
        return Err(torn("a page has another page number than the requested one"));
    }
    if page_size == 0 || total_pages.max(1) != total_results.div_ceil(page_size).max(1) {
        return Err(torn("the number of pages does not match the number of rows"));
    }
    let before = page_size.saturating_mul(asked.saturating_sub(1));
    if rows != total_results.saturating_sub(before).min(page_size) {
        return Err(torn("a page has another number of rows than it says"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for String {
        fn key(&self) -> &str {
            self
        }
    }

    fn page(number: u64, size: u64, total: u64, rows: &[&str]) -> Page<String> {
        let meta = Meta {
            page_number: number,
            page_size: size,
            total_pages: total.div_ceil(size.max(1)),
            total_results: total,
        };
        Page { data: rows.iter().map(|row| (*row).to_owned()).collect(), meta }
    }

    fn read(pages: Vec<Page<String>>) -> Result<usize, String> {
        let mut reading = Reading::new("");
        for page in pages {
            reading.take(page).map_err(|error| error.text)?;
        }
        assert_eq!(reading.query(), None, "all were read");
        reading.finish().map(|rows| rows.len()).map_err(|error| error.text)
    }

    #[test]
    fn every_page_is_asked_for_however_few_rows_the_carrier_puts_on_one() {
        let mut reading = Reading::new("a=1");
        assert_eq!(reading.query().as_deref(), Some("a=1&page%5Bnumber%5D=1&page%5Bsize%5D=250"));
        reading.take(page(1, 2, 3, &["a", "b"])).unwrap();
        assert_eq!(reading.query().as_deref(), Some("a=1&page%5Bnumber%5D=2&page%5Bsize%5D=250"));
        reading.take(page(2, 2, 3, &["c"])).unwrap();
        assert_eq!((reading.query(), reading.finish().unwrap().len()), (None, 3));
        assert_eq!(read(vec![page(1, 250, 0, &[])]), Ok(0));
        let mut empty = page(1, 250, 0, &[]);
        empty.meta.total_pages = 1;
        assert_eq!(read(vec![empty]), Ok(0), "no rows may be one page or none");
    }

    #[test]
    fn what_is_not_whole_is_torn() {
        let mut unfit = page(1, 2, 3, &["a", "b"]);
        unfit.meta.total_pages = 1;
        for (name, pages) in [
            ("half a page", vec![page(1, 4, 4, &["a", "b"])]),
            ("an empty one", vec![page(1, 2, 3, &[])]),
            ("an empty one later", vec![page(1, 2, 3, &["a", "b"]), page(2, 2, 3, &[])]),
            ("more than fit", vec![page(1, 2, 3, &["a", "b", "c"])]),
            ("another page", vec![page(2, 2, 3, &["c"])]),
            ("the same page again", vec![page(1, 2, 3, &["a", "b"]), page(1, 2, 3, &["a", "b"])]),
            ("the same row again", vec![page(1, 2, 3, &["a", "b"]), page(2, 2, 3, &["b"])]),
            ("one that came meanwhile", vec![page(1, 2, 3, &["a", "b"]), page(2, 2, 4, &["b", "c"])]),
            ("one that went meanwhile", vec![page(1, 2, 4, &["a", "b"]), page(2, 2, 3, &["d"])]),
            ("other pages", vec![page(1, 2, 3, &["a", "b"]), page(2, 1, 3, &["b"])]),
            ("pages that do not fit", vec![unfit]),
            ("no room for rows", vec![page(1, 0, 0, &[])]),
        ] {
            assert!(read(pages).is_err_and(|text| text.contains("incomplete")), "{name}");
        }
    }
}
