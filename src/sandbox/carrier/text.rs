//! Ids and amounts as carriers write them. No I/O.

use sha2::{Digest as _, Sha256};

/// 32 hexadecimal digits made of a text.
pub(super) fn hex32(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// 32 hexadecimal digits as a UUID.
pub(super) fn uuid(hex: &str) -> String {
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Hundredths as carriers write an amount.
pub(super) fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_texts_with_two_decimals_and_may_be_negative() {
        for (cents, text) in [(5, "0.05"), (100_000, "1000.00"), (-5, "-0.05"), (-115, "-1.15")] {
            assert_eq!(money(cents), text);
        }
    }
}
