//! Reading a list of Flowyte's to its end, however it is cut, and noticing when what came is not all of it. No I/O of its own.
//!
//! A number that is missing from a listing may be taken for lost, so a listing is whole or it is an error (trap 26). The documents have
//! lists go on by a cursor; the one list that they show goes on by the number of a page; and none is shown for numbers and agents
//! (section 5). So every way is followed: what an answer names, until it names nothing more.

use std::{collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use url::form_urlencoded::byte_serialize;

use super::errors::torn;
use crate::carrier::{CarrierError, ErrorClass, lenient::Scalar};

/// The most rows to a page of the list that is documented (section 5).
pub(super) const LIMIT: usize = 100;
/// As many as the largest account that is planned for has: a list that is not cut has them all.
const MOST_ROWS: usize = 100_000;
/// The longest cursor that is followed.
const LONGEST_CURSOR: usize = 2048;

/// A row's own name, which no list shows twice.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

/// One page of a list, or all of it: in the envelope, in an envelope of its own within that, or bare.
#[derive(Debug)]
pub(super) struct Page<R> {
    rows: Vec<R>,
    /// `None` if nothing is said of other pages.
    place: Option<Place>,
}

impl<R> Page<R> {
    /// How many rows are on it.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The first of them.
    pub fn first(self) -> Option<R> {
        self.rows.into_iter().next()
    }
}

/// Where a page says it stands, and what follows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Place {
    page: Scalar,
    total: Scalar,
    total_pages: Scalar,
    next_cursor: Scalar,
    has_more: Scalar,
}

impl Place {
    fn number(said: &Scalar) -> Option<u64> {
        said.written()?.parse().ok()
    }

    /// Empty is the same as none.
    fn cursor(&self) -> Option<&str> {
        self.next_cursor.written().filter(|cursor| !cursor.trim().is_empty())
    }

    fn slot(&mut self, name: &str) -> Option<&mut Scalar> {
        Some(match name {
            "page" => &mut self.page,
            "total" => &mut self.total,
            "totalPages" => &mut self.total_pages,
            "nextCursor" => &mut self.next_cursor,
            "hasMore" => &mut self.has_more,
            _ => return None,
        })
    }
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Page<R> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read<R>(PhantomData<R>);

        impl<'de, R: Deserialize<'de>> Visitor<'de> for Read<R> {
            type Value = Page<R>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, or an envelope around one")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Page<R>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = items.next_element()? {
                    if rows.len() == MOST_ROWS {
                        return Err(A::Error::custom("more rows than can be"));
                    }
                    rows.push(row);
                }
                Ok(Page { rows, place: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page<R>, A::Error> {
                let (mut inner, mut place, mut beside) = (None, None, Place::default());
                let mut said = false;
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "success" if map.next_value::<Scalar>()? == Scalar::Truth(false) => {
                            return Err(A::Error::custom("no success"));
                        }
                        "success" => {}
                        "data" | "items" if inner.is_some() => return Err(A::Error::custom("two lists")),
                        "data" | "items" => inner = Some(map.next_value::<Page<R>>()?),
                        "pagination" => place = map.next_value::<Option<Place>>()?,
                        name => match beside.slot(name) {
                            Some(slot) => {
                                *slot = map.next_value()?;
                                said = true;
                            }
                            None => drop(map.next_value::<IgnoredAny>()?),
                        },
                    }
                }
                let Page { rows, place: within } = inner.ok_or_else(|| A::Error::custom("no list"))?;
                Ok(Page { rows, place: place.or(said.then_some(beside)).or(within) })
            }
        }

        from.deserialize_any(Read(PhantomData))
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ask {
    /// By its number, which is not said of the first.
    Page(u64),
    Cursor(String),
    /// The first one once more, with room for fewer rows.
    Fewer,
}

/// A list that is being read: what to ask for, and what came so far.
#[derive(Debug)]
pub(super) struct Reading<R> {
    limit: usize,
    next: Option<Ask>,
    cursors: HashSet<String>,
    /// Whether a page has said where it stands, which all of them do then.
    placed: bool,
    total: Option<u64>,
    /// As they came: to put them into one list while more are to come would hold them twice.
    rows: Vec<Vec<R>>,
}

impl<R: Keyed> Reading<R> {
    /// Begins with the first page, which has room for so many rows.
    pub fn new(limit: usize) -> Self {
        let (cursors, rows) = (HashSet::new(), Vec::new());
        Self { limit, next: Some(Ask::Page(1)), cursors, placed: false, total: None, rows }
    }

    /// The query of what to ask for now; none when all has come.
    pub fn query(&self) -> Option<String> {
        let limit = self.limit;
        Some(match self.next.as_ref()? {
            Ask::Page(1) => format!("limit={limit}"),
            Ask::Page(page) => format!("limit={limit}&page={page}"),
            Ask::Cursor(cursor) => {
                let cursor: String = byte_serialize(cursor.as_bytes()).collect();
                format!("limit={limit}&cursor={cursor}")
            }
            Ask::Fewer => format!("limit={}", limit / 2),
        })
    }

    /// Takes in what was asked for.
    pub fn take(&mut self, page: Page<R>) -> Result<(), CarrierError> {
        let Some(asked) = self.next.take() else { return Ok(()) };
        let Page { rows, place } = page;
        match place {
            Some(place) => self.take_placed(&asked, rows, &place),
            None if self.placed => Err(torn("a page does not say which page it is, as the earlier ones did")),
            None => self.take_bare(&asked, rows),
        }
    }

    fn take_placed(&mut self, asked: &Ask, rows: Vec<R>, place: &Place) -> Result<(), CarrierError> {
        let total = Place::number(&place.total);
        if self.placed && total != self.total {
            return Err(torn("the list changed while it was read"));
        }
        (self.placed, self.total) = (true, total);
        let came = rows.len();
        let so_far = self.rows.iter().map(Vec::len).sum::<usize>() + came;
        let number = match asked {
            Ask::Page(number) => Some(*number),
            Ask::Cursor(_) => None,
            Ask::Fewer => return Err(torn("the pages are divided differently than before")),
        };
        if number.zip(Place::number(&place.page)).is_some_and(|(asked, page)| asked != page) {
            return Err(torn("a page has another page number than the requested one"));
        }
        let pages = Place::number(&place.total_pages);
        let is_more = match pages.zip(number) {
            Some((pages, number)) => number < pages,
            None => place.has_more == Scalar::Truth(true) || total.is_some_and(|total| (so_far as u64) < total),
        };
        self.next = match (place.cursor(), number) {
            (Some(cursor), _) if cursor.len() > LONGEST_CURSOR => return Err(torn("the cursor of a page is too long")),
            (Some(cursor), _) if !self.cursors.insert(cursor.to_owned()) => {
                return Err(torn("the same cursor came twice"));
            }
            (Some(cursor), _) => Some(Ask::Cursor(cursor.to_owned())),
            (None, Some(number)) if is_more => Some(Ask::Page(number + 1)),
            (None, None) if is_more => return Err(torn("the list ends before its last page")),
            (None, _) => None,
        };
        if came == 0 && self.next.is_some() {
            return Err(torn("a page before the last is empty"));
        }
        self.rows.push(rows);
        Ok(())
    }

    /// An answer that says nothing of pages is all there is, unless it holds just as many rows as were asked for: then it may have been
    /// cut without a word. A further page shows whether it was. If there is none to be had, it was not if room for fewer rows does not
    /// make them fewer.
    fn take_bare(&mut self, asked: &Ask, rows: Vec<R>) -> Result<(), CarrierError> {
        let is_full = rows.len() == self.limit;
        match asked {
            Ask::Fewer if is_full => return Ok(()),
            Ask::Fewer | Ask::Cursor(_) => return Err(cut()),
            Ask::Page(1) => {}
            Ask::Page(_) if rows.is_empty() => return Ok(()),
            Ask::Page(_) => {
                let first = |rows: &[R]| rows.first().map(|row| row.key().to_owned());
                if self.rows.first().and_then(|before| first(before)) == first(&rows) {
                    self.next = Some(Ask::Fewer);
                    return Ok(());
                }
            }
        }
        if is_full {
            let page = if let Ask::Page(page) = asked { *page } else { 1 };
            self.next = Some(Ask::Page(page + 1));
        }
        self.rows.push(rows);
        Ok(())
    }

    /// Every row, once each.
    pub fn finish(self) -> Result<Vec<R>, CarrierError> {
        let came = self.rows.iter().map(Vec::len).sum::<usize>() as u64;
        if self.total.is_some_and(|total| total != came) {
            return Err(torn("the list has another number of rows than it says"));
        }
        let mut seen = HashSet::new();
        match self.rows.iter().flatten().all(|row| seen.insert(row.key())) {
            true => Ok(self.rows.into_iter().flatten().collect()),
            // One went and another came meanwhile, and a third may have been skipped; or what was asked for has no effect.
            false => Err(torn("a row is in the list twice")),
        }
    }
}

/// A list that ends at its limit and cannot be asked for more.
fn cut() -> CarrierError {
    let text = "Flowyte returns only the first part of a list and no way to read the rest; the operator ignores it and retries. Ask Flowyte how \
                to read the whole list";
    CarrierError::new(ErrorClass::Transient, text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Item(String);

    impl Keyed for Item {
        fn key(&self) -> &str {
            &self.0
        }
    }

    /// What is asked for one after the other, and how many rows come of it.
    fn read(answers: &[Value]) -> (Vec<String>, Result<usize, String>) {
        let (mut reading, mut asked) = (Reading::<Item>::new(2), Vec::new());
        let mut answers = answers.iter();
        while let Some(query) = reading.query() {
            asked.push(query);
            let Some(answer) = answers.next() else { panic!("more is asked for than there is: {asked:?}") };
            let taken = serde_json::from_str(&answer.to_string()).map_err(|error| error.to_string());
            if let Err(error) = taken.and_then(|page| reading.take(page).map_err(|error| error.text)) {
                return (asked, Err(error));
            }
        }
        assert_eq!(answers.len(), 0, "not all is asked for: {asked:?}");
        (asked, reading.finish().map(|rows| rows.len()).map_err(|error| error.text))
    }

    fn placed(rows: &[&str], place: Value) -> Value {
        json!({ "success": true, "data": rows, "pagination": place })
    }

    fn numbered(page: u64, total: u64, rows: &[&str]) -> Value {
        let pages = total.div_ceil(2);
        placed(rows, json!({ "page": page, "limit": 2, "total": total, "totalPages": pages, "nextCursor": null }))
    }

    #[test]
    fn a_list_is_followed_however_it_is_cut() {
        let cursor = |rows: &[&str], next: Value| placed(rows, json!({ "nextCursor": next }));
        for (answers, asked, rows) in [
            (vec![json!({ "success": true, "data": [] })], vec!["limit=2"], 0),
            (vec![json!(["a"])], vec!["limit=2"], 1),
            (vec![json!({ "data": ["a", "b", "c"] })], vec!["limit=2"], 3),
            (vec![json!({ "data": { "items": ["a"], "pagination": { "total": 1 } } })], vec!["limit=2"], 1),
            (vec![numbered(1, 0, &[])], vec!["limit=2"], 0),
            (vec![numbered(1, 3, &["a", "b"]), numbered(2, 3, &["c"])], vec!["limit=2", "limit=2&page=2"], 3),
            (
                vec![cursor(&["a", "b"], json!("x y")), cursor(&["c"], Value::Null)],
                vec!["limit=2", "limit=2&cursor=x+y"],
                3,
            ),
            (
                vec![cursor(&["a", "b"], json!(7)), cursor(&["c"], json!(8)), cursor(&["d"], json!(""))],
                vec!["limit=2", "limit=2&cursor=7", "limit=2&cursor=8"],
                4,
            ),
            (
                vec![json!({ "data": ["a", "b"], "nextCursor": "x" }), json!({ "data": ["c"], "nextCursor": null })],
                vec!["limit=2", "limit=2&cursor=x"],
                3,
            ),
            (
                vec![placed(&["a", "b"], json!({ "total": 3 })), placed(&["c"], json!({ "total": 3 }))],
                vec!["limit=2", "limit=2&page=2"],
                3,
            ),
        ] {
            let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
            assert_eq!(read(&answers), (asked, Ok(rows)), "{answers:?}");
        }
    }

    #[test]
    fn a_list_that_may_have_been_cut_without_a_word_is_whole_only_if_that_shows() {
        let bare = |rows: &[&str]| json!({ "success": true, "data": rows });
        let full = bare(&["a", "b"]);
        assert_eq!(read(&[full.clone(), bare(&[])]).1, Ok(2), "there is no second page");
        assert_eq!(read(&[full.clone(), bare(&["c"])]).1, Ok(3));
        let (asked, rows) = read(&[full.clone(), full.clone(), full.clone()]);
        assert_eq!((asked[2].as_str(), rows), ("limit=1", Ok(2)), "neither has any effect, so this is all");
        let (_, rows) = read(&[full.clone(), full, bare(&["a"])]);
        assert!(rows.is_err_and(|text| text.contains("first part")));
    }

    #[test]
    fn what_is_not_whole_is_torn() {
        let cursor = |rows: &[&str], next: &str| placed(rows, json!({ "nextCursor": next }));
        for (name, answers) in [
            ("half a page", vec![numbered(1, 3, &["a"]), numbered(2, 3, &["c"])]),
            ("an empty one", vec![numbered(1, 3, &[])]),
            ("an empty one with a cursor", vec![cursor(&[], "x")]),
            ("an empty one later", vec![numbered(1, 3, &["a", "b"]), numbered(2, 3, &[])]),
            ("another page", vec![numbered(2, 3, &["c"])]),
            ("the same page again", vec![numbered(1, 3, &["a", "b"]), numbered(1, 3, &["a", "b"])]),
            ("the same row again", vec![numbered(1, 4, &["a", "b"]), numbered(2, 4, &["b", "c"])]),
            ("one that came meanwhile", vec![numbered(1, 3, &["a", "b"]), numbered(2, 4, &["b", "c"])]),
            ("the same cursor again", vec![cursor(&["a", "b"], "x"), cursor(&["c"], "x")]),
            ("one that says nothing", vec![numbered(1, 3, &["a", "b"]), json!({ "data": ["c"] })]),
            ("more, and no way to it", vec![cursor(&["a"], "x"), placed(&["b"], json!({ "hasMore": true }))]),
            ("an endless cursor", vec![cursor(&["a"], &"x".repeat(LONGEST_CURSOR + 1))]),
        ] {
            let (_, rows) = read(&answers);
            assert!(rows.as_ref().is_err_and(|text| text.contains("incomplete")), "{name}: {rows:?}");
        }
        for other in [
            json!({ "success": false, "data": [] }),
            json!({ "data": null }),
            json!({ "success": true }),
            json!({ "data": { "id": "1" } }),
            json!({ "data": ["a"], "items": ["b"] }),
            json!("<html>"),
            Value::Null,
        ] {
            assert!(serde_json::from_str::<Page<Item>>(&other.to_string()).is_err(), "{other}");
        }
    }
}
