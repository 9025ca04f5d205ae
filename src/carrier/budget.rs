//! What one listing may take: a carrier that never stops, or something that stands in its place, must cost no more than this. No I/O.

use std::time::Duration;

use tokio::time::Instant;

use super::{CarrierError, ErrorClass};

/// The largest account that is planned for.
const ROWS: usize = 100_000;
/// So many pages of one row each are no listing of an account of that size.
const PAGES: usize = 10_000;
/// A row has one or two kilobytes, and its URLs may be long. What comes beside the rows of a page is a few lines.
const BYTES_PER_ROW: usize = 16 << 10;
const BYTES: usize = 4 << 20;
/// A hundred thousand numbers, 250 to a page, at half a page in a second.
const TIME: Duration = Duration::from_secs(15 * 60);
/// When a listing is tried again that was more than this.
const AGAIN: Duration = Duration::from_secs(300);

/// What is left to one listing, be it of one list or of several that make it up together.
#[derive(Debug)]
pub(super) struct Budget {
    carrier: &'static str,
    until: Instant,
    pages: usize,
    rows: usize,
    bytes: usize,
    bytes_per_row: usize,
}

impl Budget {
    /// That of a listing that begins now.
    pub fn new(carrier: &'static str) -> Self {
        Self { carrier, until: Instant::now() + TIME, pages: 0, rows: 0, bytes: 0, bytes_per_row: BYTES_PER_ROW }
    }

    /// The same, for rows of so many bytes each.
    pub fn of_rows(self, bytes_per_row: usize) -> Self {
        Self { bytes_per_row, ..self }
    }

    /// Takes a page off it.
    pub fn take(&mut self, rows: usize, bytes: usize) -> Result<(), CarrierError> {
        self.pages += 1;
        self.rows += rows;
        self.bytes += bytes;
        let most = BYTES + self.rows.saturating_mul(self.bytes_per_row);
        if self.rows > ROWS {
            return Err(self.exceeded(&format!("{ROWS} rows")));
        }
        if self.pages > PAGES {
            return Err(self.exceeded(&format!("{PAGES} pages")));
        }
        if self.bytes > most {
            return Err(self.exceeded(&format!("{} MB for {} rows", most >> 20, self.rows)));
        }
        if Instant::now() > self.until {
            return Err(self.exceeded(&format!("{} minutes", TIME.as_secs() / 60)));
        }
        Ok(())
    }

    fn exceeded(&self, what: &str) -> CarrierError {
        let text = format!(
            "{} returned a listing of more than {what}, which is the limit; the operator ignores it. Check spec.endpoint, or split the account",
            self.carrier
        );
        CarrierError { class: ErrorClass::Transient, code: None, text, retry_after: Some(AGAIN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many such pages are taken in, and what is said of the one that is too many.
    fn taken(rows: usize, bytes: usize) -> (usize, String) {
        let mut budget = Budget::new("Twilio");
        let fails = (0..=PAGES).find_map(|i| budget.take(rows, bytes).err().map(|error| (i, error.text)));
        fails.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_ends_in_an_error_that_says_what_was_too_much() {
        let of = |rows, bytes| {
            let (pages, text) = taken(rows, bytes);
            (pages, text.split(" than ").nth(1).unwrap().split(',').next().unwrap().to_owned())
        };
        assert_eq!(of(1000, 2_000_000), (100, "100000 rows".to_owned()));
        assert_eq!(of(1, 1000), (PAGES, "10000 pages".to_owned()));
        assert_eq!(of(1, 10_000_000), (0, "4 MB for 1 rows".to_owned()));
        let mut budget = Budget::new("Twilio");
        assert!(budget.take(250, 500_000).is_ok());
        tokio::time::advance(TIME + Duration::from_secs(1)).await;
        let error = budget.take(250, 500_000).unwrap_err();
        assert!(error.text.contains("15 minutes") && error.retry_after == Some(AGAIN), "{error:?}");
    }
}
