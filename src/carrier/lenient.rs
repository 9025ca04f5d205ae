//! How answers are decoded whose shape is the carrier's alone: what is not looked for is skipped and never held, however deep or
//! large it is. No I/O.
//!
//! A tree of JSON takes up to eighty times the memory of its text, so none is made.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The most rows that any page or search has: as many as are asked for.
const MOST_ROWS: usize = 1000;
/// The longest text that means anything. A URL may have 4 kB.
const LONGEST: usize = 8 << 10;

/// A text, a number or a truth; everything else is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    /// As it is written, so that a long one loses no digits.
    Number(String),
    Truth(bool),
    #[default]
    Nothing,
}

impl Scalar {
    /// The text or the number as it is written.
    pub fn written(&self) -> Option<&str> {
        match self {
            Scalar::Text(text) | Scalar::Number(text) => Some(text),
            Scalar::Truth(_) | Scalar::Nothing => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(if text.len() > LONGEST { Scalar::Nothing } else { Scalar::Text(text.to_owned()) })
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(truth))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(serde_json::Number::from_f64(number).map_or(Scalar::Nothing, |n| Scalar::Number(n.to_string())))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Nothing)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nothing)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nothing)
            }
        }

        from.deserialize_any(Read)
    }
}

/// The rows of a page, all of which have to be read, and no more than a page has.
pub(super) fn rows<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Read<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut rows = Vec::new();
            while let Some(row) = items.next_element()? {
                if rows.len() == MOST_ROWS {
                    return Err(serde::de::Error::custom("more rows than were asked for"));
                }
                rows.push(row);
            }
            Ok(rows)
        }
    }

    from.deserialize_seq(Read(PhantomData))
}

/// The rows of an answer that can be read; those that cannot are skipped, and so are more than an answer has.
#[derive(Clone, Debug)]
pub(super) struct Rows<T>(pub Vec<T>);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for Read<T> {
            type Value = Rows<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rows<T>, A::Error> {
                let mut rows = Vec::new();
                while rows.len() < MOST_ROWS {
                    let Some(row) = items.next_element::<Box<RawValue>>()? else { return Ok(Rows(rows)) };
                    rows.extend(serde_json::from_str(row.get()).ok());
                }
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Rows(rows))
            }
        }

        from.deserialize_seq(Read(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_scalar_is_skipped_however_deep_it_is() {
        for (text, expected) in [
            ("\"a\"".to_owned(), Scalar::Text("a".into())),
            ("1293384261075731499".to_owned(), Scalar::Number("1293384261075731499".into())),
            ("1.50".to_owned(), Scalar::Number("1.5".into())),
            ("true".to_owned(), Scalar::Truth(true)),
            ("null".to_owned(), Scalar::Nothing),
            (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), Scalar::Nothing),
            (format!("{}1{}", "{\"$serde_json::private::RawValue\":".repeat(5000), "}".repeat(5000)), Scalar::Nothing),
            (format!("\"{}\"", "x".repeat(LONGEST + 1)), Scalar::Nothing),
        ] {
            assert_eq!(serde_json::from_str::<Scalar>(&text).unwrap(), expected, "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn rows_that_cannot_be_read_are_skipped_where_that_does_no_harm_and_are_an_error_where_it_would() {
        let numbers =
            |value: serde_json::Value| serde_json::from_str::<Rows<u8>>(&value.to_string()).map(|rows| rows.0);
        assert_eq!(numbers(json!([1, "x", {"a": [[]]}, 2, 300, null])).unwrap(), [1, 2]);
        assert_eq!(numbers(json!(vec![1; 3000])).unwrap().len(), MOST_ROWS);
        assert!(numbers(json!({})).is_err());
        let all =
            |count: usize| rows::<_, u8>(&mut serde_json::Deserializer::from_str(&json!(vec![1; count]).to_string()));
        assert_eq!(all(MOST_ROWS).unwrap().len(), MOST_ROWS);
        assert!(all(MOST_ROWS + 1).is_err());
    }
}
