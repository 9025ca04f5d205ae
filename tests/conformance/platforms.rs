//! What every adapter does whose platform answers numbers that stay at their carriers: one suite of cases, judged by what stands
//! in the platform's books, on the number at its carrier, and in the ledger of both.
//!
//! What tells one platform from another stands in a [`PlatformWire`]. That the cases would notice is shown by adapters that are
//! [broken] on purpose.

mod bench;
mod broken;
mod cases;
mod nixflex;

use std::panic::AssertUnwindSafe;

use futures::{FutureExt as _, future::LocalBoxFuture};

use self::bench::{Bench, PlatformWire};

/// One thing that every adapter of a platform does.
struct Case {
    name: &'static str,
    run: for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, ()>,
}

/// The cases, as a table and as a test for each platform.
macro_rules! suite {
    ([$($platform:ident)*] $cases:tt) => {
        static WIRES: &[&PlatformWire] = &[$(&$platform::WIRE,)*];
        suite! { @table $cases }
        $(mod on { pub mod $platform { suite! { @tests $platform $cases } } })*
    };
    (@table { $($case:ident,)* }) => {
        const CASES: &[Case] = &[$(Case { name: stringify!($case), run: |bench| Box::pin(cases::$case(bench)) },)*];
    };
    (@tests $platform:ident { $($case:ident,)* }) => {
        $(#[tokio::test]
        async fn $case() {
            use $crate::conformance::platforms as p;
            p::cases::$case(&p::bench::Bench::new(&p::$platform::WIRE, None)).await;
        })*
    };
}

suite! {
    [nixflex] {
        an_account_says_who_it_is_and_a_wrong_key_opens_nothing,
        every_number_is_listed_once,
        what_is_not_a_whole_list_is_an_error,
        an_agent_is_on_or_off_or_not_there,
        a_number_that_is_bound_goes_to_the_platform_and_is_listed,
        a_number_of_the_other_carrier_is_bound_too,
        a_number_that_is_bound_again_is_as_it_was,
        a_number_that_another_agent_answers_is_not_taken_from_it,
        lent_credentials_that_are_wrong_are_not_the_platforms_own,
        what_is_not_there_is_not_bound,
        a_number_that_is_unbound_stays_at_its_carrier_however_often,
        an_empty_route_unbinds_and_no_other_is_set,
        settings_are_one_change_and_no_webhook,
        settings_that_name_nothing_are_not_sent,
        a_binding_is_unknown_where_its_answer_is_and_is_then_seen,
        an_end_is_unknown_where_its_answer_is_and_is_then_seen,
        settings_are_unknown_where_their_answer_is_and_are_then_seen,
        extras_are_switched_one_by_one_and_no_webhook_is_written,
        an_extra_is_unknown_where_its_answer_is_and_is_then_seen,
        no_secret_is_in_an_error_or_in_what_an_adapter_shows_of_itself,
    }
}

impl Case {
    /// Whether the adapter does this.
    async fn passes(&self, bench: &Bench) -> bool {
        AssertUnwindSafe((self.run)(bench)).catch_unwind().await.is_ok()
    }
}
