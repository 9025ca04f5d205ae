//! What every carrier's adapter does, whatever its API looks like: one suite of cases, each run for each adapter against its
//! simulated carrier over HTTP.
//!
//! A case knows the [`Carrier`](dialplane::carrier::Carrier) and what it declares of itself, and judges by the carrier's ledger and by
//! what stands there in the end. A group of cases is for the adapters whose carrier does what it is about.
//! What tells one simulated carrier from another stands in a [`Wire`](wire::Wire). A new adapter is one more of those, and a name in [`suite!`].
//! That the cases would notice is shown by adapters that are [broken](broken) on purpose.

mod balance;
mod broken;
mod credentials;
mod declared;
mod doubt;
mod finding;
mod holds;
mod intake;
mod letting_go;
mod listing;
mod marks;
mod offers;
mod orders;
mod platforms;
mod publishing;
mod purchases;
mod reads;
mod routes;
mod secrets;
mod shadows;
mod sharing;
pub mod subject;
pub mod wire;
mod writes;

use std::panic::AssertUnwindSafe;

use dialplane::carrier::{Carrier, Holds};
use futures::{FutureExt as _, future::LocalBoxFuture};

use self::subject::Subject;

/// What a carrier must do for a group of cases to be about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    SharedRoutes,
    Sales,
    Holds,
    /// Holds that are let go of before they end.
    LettingGo,
    Orders,
    Intake,
    Marks,
    Publishing,
    /// A word for what the account has left.
    Balance,
    /// More than one channel.
    Channels,
    /// Webhooks on the number itself.
    Webhooks,
    /// A purchase that says where the number's traffic goes.
    RoutedPurchases,
    /// Holds that are found again by whoever has made them.
    FoundHolds,
    /// Something that takes the calls of a number before its route, and that a listing does not show.
    Shadows,
    /// A word for an account that cannot serve, which is another one than for a key that may not.
    Inactivity,
}

/// One thing that every adapter does.
struct Case {
    name: &'static str,
    needs: Need,
    run: for<'a> fn(&'a Subject) -> LocalBoxFuture<'a, ()>,
}

/// The cases by group, with what a group needs, as a table and as a test for each adapter.
macro_rules! suite {
    ([$($carrier:ident)*] $groups:tt) => {
        /// Every simulated carrier.
        static WIRES: &[&wire::Wire] = &[$(&wire::$carrier::WIRE,)*];
        suite! { @table $groups }
        $(mod $carrier { suite! { @tests $carrier $groups } })*
    };
    (@table { $($group:ident needs $need:ident { $($case:ident,)* })* }) => {
        const CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($group), "::", stringify!($case)),
            needs: Need::$need,
            run: |subject| Box::pin($group::$case(subject)),
        },)*)*];
    };
    (@tests $carrier:ident { $($group:ident needs $need:ident { $($case:ident,)* })* }) => {
        $(mod $group {
            $(#[tokio::test]
            async fn $case() {
                let name = concat!(stringify!($group), "::", stringify!($case));
                $crate::conformance::case(name).run(&$crate::conformance::wire::$carrier::WIRE.subject()).await;
            })*
        })*
    };
}

suite! {
    [twilio telnyx flowyte] {
        credentials needs Nothing {
            an_account_says_who_it_is,
            a_further_key_opens_the_same_account,
            wrong_credentials_are_refused,
            a_revoked_key_is_refused,
            a_token_that_was_replaced_is_refused,
            credentials_of_another_account_show_nothing_of_this_one,
            a_key_that_may_only_list_changes_and_buys_nothing,
            an_account_that_cannot_serve_says_so,
            an_account_that_cannot_serve_lists_nothing_rather_than_none,
            an_account_that_serves_again_is_as_it_was,
        }
        listing needs Nothing {
            an_account_without_numbers_has_none,
            every_number_is_listed_once_over_many_pages,
            a_torn_page_is_an_error_and_no_part,
            a_page_torn_among_many_is_an_error_and_no_part,
            a_page_emptied_among_many_is_an_error_and_no_part,
            a_page_that_fails_among_many_is_an_error_and_no_part,
            numbers_that_go_meanwhile_hide_no_others,
            a_listing_that_lags_is_shown_as_it_is,
            a_404_is_no_empty_list,
            a_401_is_no_empty_list,
            a_refusal_is_no_empty_list,
            a_page_of_something_on_the_way_is_no_empty_list,
            an_answer_that_breaks_off_is_no_empty_list,
            an_answer_that_is_something_else_is_no_empty_list,
            numbers_of_other_accounts_are_not_listed,
        }
        finding needs Nothing {
            a_number_is_found_among_those_that_contain_it,
            a_part_of_a_number_is_not_found,
            a_number_that_the_account_lacks_is_absent,
            a_number_of_another_account_is_absent,
            what_is_found_is_what_is_listed,
            a_404_is_no_absence,
            a_401_is_no_absence,
            a_carrier_that_is_unwell_is_no_absence,
            a_page_of_something_on_the_way_is_no_absence,
            a_torn_page_is_no_absence,
        }
        routes needs Nothing {
            what_is_set_is_what_goes_and_what_is_seen,
            a_channel_that_is_not_named_is_left_alone,
            a_channel_is_cleared_alone,
            every_channel_is_cleared,
            what_is_unset_looks_unset_however_it_is_answered,
            canonical_is_idempotent_and_what_is_shown_is_canonical,
            the_same_again_changes_nothing,
            what_others_set_is_seen,
            a_route_leaves_the_marker_alone,
            a_route_that_names_nothing_is_not_sent,
            a_route_of_a_number_that_is_gone_is_refused,
        }
        shadows needs Shadows {
            calls_that_go_elsewhere_are_seen_and_left_alone,
            calls_that_go_by_the_route_are_seen_to,
            what_may_not_be_read_is_unseen_and_no_error,
            what_is_not_there_to_be_read_is_unseen_and_no_error,
            it_is_read_rarely,
        }
        reads needs Nothing {
            a_read_survives_a_carrier_that_is_unwell,
            a_read_survives_a_connection_that_is_lost,
            a_read_survives_an_answer_that_breaks_off,
            a_read_survives_an_answer_that_is_something_else,
            a_read_that_is_not_answered_is_asked_again,
            a_read_waits_as_long_as_it_is_told,
            a_read_that_keeps_failing_fails_in_the_end,
            a_read_that_is_refused_is_not_asked_again,
            a_carrier_that_counts_requests_is_kept_content,
        }
        writes needs Nothing {
            a_write_is_unknown_after_a_5xx_that_did_nothing,
            a_write_is_unknown_after_a_5xx_that_did_it,
            a_write_is_unknown_if_it_was_lost,
            a_write_is_unknown_if_its_answer_was_lost,
            a_write_is_unknown_if_it_is_applied_late,
            a_write_is_unknown_if_it_is_never_answered,
            a_write_is_unknown_if_it_is_done_and_never_answered,
            a_write_is_unknown_if_the_carrier_is_too_slow,
            a_write_is_unknown_if_its_answer_breaks_off,
            a_write_is_unknown_if_its_answer_is_something_else,
            a_write_is_unknown_behind_a_page_that_says_all_is_well,
            a_write_is_unknown_behind_a_page_that_says_nothing_is,
            a_write_that_is_throttled_did_nothing_and_says_how_long_to_wait,
            a_write_that_is_refused_did_nothing_and_has_the_class_of_it,
        }
        sharing needs SharedRoutes {
            a_shared_route_is_made_once_and_found_by_its_name,
            a_shared_route_that_is_as_it_should_be_is_left_alone,
            only_what_differs_is_changed_by_one_request,
            what_others_change_is_seen_and_put_back,
            numbers_are_bound_to_it_and_follow_it,
            a_number_is_unbound_and_the_shared_route_stays,
            a_channel_that_is_not_wanted_is_not_made,
            a_channel_that_is_no_longer_wanted_goes_nowhere_and_is_used_again,
            one_whose_making_was_not_answered_is_found_and_not_made_again,
            a_list_that_is_torn_is_not_taken_for_none,
        }
        offers needs Sales {
            every_offer_of_every_search_fits,
            every_offer_has_its_price,
            an_offers_price_is_what_its_purchase_costs,
            no_number_is_offered_twice,
            none_found_is_no_error,
            the_place_is_not_widened,
            a_country_that_is_not_sold_is_not_found,
            a_type_that_is_not_sold_is_not_found,
            a_search_that_is_refused_names_the_fields_to_change,
            a_search_that_fails_is_not_taken_for_none,
            one_number_is_offered_as_itself,
            a_number_that_is_not_for_sale_is_not_offered,
            nothing_that_looks_like_a_number_is_offered_for_it,
            a_number_of_a_country_that_is_not_sold_is_not_found,
        }
        purchases needs Sales {
            just_this_number_is_bought_once,
            a_bought_number_bears_the_marker_from_the_first_moment,
            a_bought_number_goes_where_it_should_from_the_first_moment,
            a_number_bought_without_a_route_goes_nowhere,
            a_number_is_bought_without_having_been_searched_for,
            too_little_money_is_said,
            a_number_that_somebody_else_took_is_unavailable,
            a_number_that_was_never_for_sale_is_unavailable,
            a_number_that_is_owned_already_is_never_paid_again,
            a_purchase_whose_time_is_over_is_not_sent,
            a_purchase_whose_turn_comes_too_late_is_not_sent,
            a_purchase_that_is_refused_did_nothing_and_has_the_class_of_it,
        }
        doubt needs Sales {
            a_purchase_is_unknown_after_a_5xx_that_did_nothing,
            a_purchase_is_unknown_after_a_5xx_that_did_it,
            a_purchase_is_unknown_if_it_was_lost,
            a_purchase_is_unknown_if_its_answer_was_lost,
            a_purchase_is_unknown_if_it_is_applied_late,
            a_purchase_is_unknown_if_it_is_never_answered,
            a_purchase_is_unknown_if_it_is_done_and_never_answered,
            a_purchase_is_unknown_if_its_answer_breaks_off,
            a_purchase_is_unknown_if_its_answer_is_something_else,
            a_purchase_is_unknown_behind_a_page_that_says_all_is_well,
            a_purchase_is_unknown_behind_a_page_that_says_it_is_forbidden,
            a_purchase_is_unknown_behind_a_page_that_says_it_is_not_there,
            a_purchase_is_unknown_behind_a_page_that_asks_for_money,
            a_purchase_is_unknown_behind_a_page_that_asks_to_wait,
        }
        holds needs Holds {
            a_number_is_kept_for_a_while,
            a_hold_of_ours_is_found_again,
            a_hold_that_another_of_us_left_is_found_by_its_number,
            a_number_held_by_another_installation_is_unavailable,
            a_number_held_by_another_account_is_unavailable,
            a_number_that_we_hold_is_bought_by_nobody_else,
            a_number_that_we_hold_is_bought,
            a_number_that_cannot_be_held_is_said_to_be_so,
            a_hold_whose_answer_was_lost_is_unknown_and_found_again,
        }
        letting_go needs LettingGo {
            a_hold_is_let_go_of_and_anybody_may_have_the_number,
            a_hold_that_has_ended_is_let_go_of_already,
            a_number_that_was_bought_stays_whatever_becomes_of_its_hold,
            an_id_that_is_no_holds_leads_to_no_number,
            a_hold_of_another_account_stays,
            what_became_of_a_hold_is_unknown_if_the_answer_was_lost,
            a_refusal_has_its_class,
        }
        orders needs Orders {
            a_pending_order_is_no_number_and_bears_the_marker,
            an_order_that_succeeds_is_a_number_and_stays_listed,
            an_order_that_fails_is_none,
            an_order_that_fails_at_once_did_nothing,
            an_order_that_never_ends_stays_listed,
            a_pending_order_is_cancelled_and_is_none,
            an_order_that_is_over_is_not_cancelled,
            a_cancellation_whose_answer_was_lost_is_unknown,
            a_number_that_is_ordered_already_is_not_ordered_again,
            a_list_of_orders_that_is_torn_is_an_error,
            a_404_is_no_empty_list_of_orders,
        }
        intake needs Intake {
            a_number_that_is_elsewhere_is_brought_in_for_nothing,
            a_number_that_is_there_already_stays_as_it_is,
            a_number_that_is_not_the_organizations_is_unavailable,
            whatever_is_answered_a_number_that_came_in_is_there,
            a_number_whose_answer_was_lost_is_unknown_and_asked_for_once,
        }
        marks needs Marks {
            a_marker_is_written_and_seen,
            a_marker_is_written_over_what_a_person_wrote,
            what_a_person_wrote_is_no_marker,
            another_installations_marker_is_seen_as_it_is,
            a_marker_leaves_the_route_alone,
            a_marker_of_a_number_that_is_gone_is_refused,
            a_marker_whose_answer_was_lost_is_unknown,
        }
        publishing needs Publishing {
            a_draft_is_published_once_and_found_by_its_note,
            a_draft_that_serves_as_it_is_differs_in_nothing,
            a_publication_is_unknown_where_its_answer_is_and_is_then_found,
            a_publication_that_was_not_made_is_unknown_and_made_by_the_same_key,
            a_publication_that_is_refused_did_nothing_and_has_the_class_of_it,
            a_draft_that_cannot_be_published_is_said_to_be_so,
            versions_that_are_not_wholly_seen_are_an_error,
            an_earlier_version_serves_again_and_the_draft_stays,
            a_change_of_what_serves_is_unknown_where_its_answer_is,
            a_version_that_the_agent_does_not_have_is_refused,
            an_agent_of_another_account_is_not_published,
        }
        balance needs Balance {
            what_is_left_is_said,
            what_is_owed_is_said,
            a_balance_that_cannot_be_read_is_an_error,
        }
        declared needs Nothing {
            the_carrier_has_a_name,
            the_channels_are_those_that_can_be_sent_somewhere,
            shared_routes_are_declared_as_they_are,
            the_facets_are_those_of_the_carrier,
            a_number_is_offered_to_be_held_where_that_can_be,
            a_purchase_is_an_order_where_there_are_orders,
            a_write_lives_longer_than_the_wait_for_it,
            a_purchase_settles_later_than_any_request_lives_and_any_listing_lags,
        }
        secrets needs Nothing {
            no_secret_is_in_an_error,
            no_secret_is_in_what_an_adapter_shows_of_itself,
        }
    }
}

impl Need {
    /// What only some carriers do, and adapters have a facet for.
    const FACETS: &[Self] = &[
        Need::SharedRoutes,
        Need::Sales,
        Need::Holds,
        Need::LettingGo,
        Need::Orders,
        Need::Intake,
        Need::Marks,
        Need::Publishing,
    ];

    fn is_met(self, by: &dyn Carrier) -> bool {
        match self {
            // What no facet says is for the simulated carrier to say.
            Need::Nothing
            | Need::Balance
            | Need::Channels
            | Need::Webhooks
            | Need::RoutedPurchases
            | Need::FoundHolds
            | Need::Shadows
            | Need::Inactivity => true,
            Need::SharedRoutes => by.shared_routes().is_some(),
            Need::Sales => by.sales().is_some(),
            Need::Holds => by.holds().is_some(),
            Need::LettingGo => by.holds().and_then(Holds::letting_go).is_some(),
            Need::Orders => by.orders().is_some(),
            Need::Intake => by.intake().is_some(),
            Need::Marks => by.marks().is_some(),
            Need::Publishing => by.publishing().is_some() && by.platform().is_some(),
        }
    }
}

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("there is no case {name}"))
}

impl Case {
    /// Whether the simulated carrier does what this is about.
    fn is_about(&self, wire: &wire::Wire) -> bool {
        wire.does(self.needs)
    }

    /// Shows that the adapter does this, where its carrier does.
    async fn run(&self, subject: &Subject) {
        if self.is_about(subject.wire) {
            (self.run)(subject).await;
        }
    }

    /// Whether the adapter does this, and keeps its accounts.
    async fn passes(&self, subject: &Subject) -> bool {
        let run = async {
            self.run(subject).await;
            subject.assert_accounts();
        };
        AssertUnwindSafe(run).catch_unwind().await.is_ok()
    }
}

#[test]
fn at_least_sixty_cases_are_about_every_adapter() {
    for wire in WIRES {
        let about = CASES.iter().filter(|case| case.is_about(wire)).count();
        assert!(about >= 60, "{}: {about}", wire.subject().declared().name);
    }
}
