//! Whose account it is, and what its credentials open.

use dialplane::{
    carrier::{ErrorClass, Identity},
    sandbox::carrier::{KeyScope, Kind},
};

use super::{
    Need,
    subject::{NUMBER, OTHER, Subject, did_nothing, number, purchase},
    wire::Key,
};

fn identity(s: &Subject) -> Identity {
    Identity { account: (s.wire.identity)(&s.account()), inactive: None }
}

pub async fn an_account_says_who_it_is(s: &Subject) {
    assert_eq!(s.carrier.identify().await, Ok(identity(s)));
}

pub async fn a_further_key_opens_the_same_account(s: &Subject) {
    s.own(NUMBER);
    let further = s.open(s.further_key(KeyScope::Standard));
    assert_eq!(further.identify().await, Ok(identity(s)));
    assert!(further.find(&number(NUMBER)).await.unwrap().is_some());
}

/// Nothing is opened, whatever is asked.
async fn refused(s: &Subject, key: Key) {
    let carrier = s.open(key);
    assert_eq!(carrier.identify().await.unwrap_err().class, ErrorClass::Unauthorized);
    assert_eq!(carrier.list().await.unwrap_err().class, ErrorClass::Unauthorized);
}

pub async fn wrong_credentials_are_refused(s: &Subject) {
    refused(s, Key::Token("wrong".to_owned())).await;
    refused(s, Key::Further { sid: format!("SK{}", "9".repeat(32)), secret: "wrong".to_owned() }).await;
}

pub async fn a_revoked_key_is_refused(s: &Subject) {
    let key = s.further_key(KeyScope::Standard);
    assert_eq!(s.open(key.clone()).identify().await, Ok(identity(s)));
    let Key::Further { sid, .. } = &key else { unreachable!() };
    s.sandbox.revoke_key(sid);
    refused(s, key).await;
}

pub async fn a_token_that_was_replaced_is_refused(s: &Subject) {
    let old = s.token();
    s.sandbox.rotate_token(&s.account()).unwrap();
    refused(s, old).await;
}

pub async fn credentials_of_another_account_show_nothing_of_this_one(s: &Subject) {
    s.own(NUMBER);
    let (account, key, _) = s.stranger();
    s.give(&account, OTHER);
    let mistaken = s.open(key);
    match mistaken.identify().await {
        // Then the numbers are all that there is to tell by.
        Ok(seen) => assert!(!s.wire.tells_accounts_apart || seen != identity(s)),
        Err(error) => assert!(matches!(error.class, ErrorClass::Unauthorized | ErrorClass::NotFound), "{error}"),
    }
    if let Ok(numbers) = mistaken.list().await {
        assert_eq!(numbers.iter().map(|owned| owned.number.as_str()).collect::<Vec<_>>(), [OTHER]);
    }
}

pub async fn a_key_that_may_only_list_changes_and_buys_nothing(s: &Subject) {
    let id = s.own(NUMBER);
    s.stock(&[OTHER]);
    let lists = s.open(s.further_key(KeyScope::Restricted(vec![Kind::List])));
    assert_eq!(lists.list().await.map(|numbers| numbers.len()), Ok(1));
    let error = did_nothing(lists.set_route(&id, &s.one_leg("ours")).await);
    assert_eq!(error.class, ErrorClass::Forbidden);
    if let Some(sales) = lists.sales() {
        assert_eq!(did_nothing(sales.purchase(&purchase(OTHER)).await).class, ErrorClass::Forbidden);
    }
    assert!(s.goes_by(NUMBER, &s.nowhere()));
}

const NOT_SERVING: [&str; 2] = ["suspended", "closed"];

pub async fn an_account_that_cannot_serve_says_so(s: &Subject) {
    for status in NOT_SERVING {
        s.sandbox.set_status(&s.account(), status).unwrap();
        let seen = s.carrier.identify().await;
        if !s.wire.does(Need::Inactivity) {
            assert_eq!(seen.unwrap_err().class, ErrorClass::Forbidden, "{status}");
            continue;
        }
        let seen = seen.unwrap();
        assert_eq!((&seen.account, seen.inactive.is_some()), (&identity(s).account, true), "{status}");
    }
}

pub async fn an_account_that_cannot_serve_lists_nothing_rather_than_none(s: &Subject) {
    s.own(NUMBER);
    for status in NOT_SERVING {
        s.sandbox.set_status(&s.account(), status).unwrap();
        assert_eq!(s.carrier.list().await.unwrap_err().class, ErrorClass::Forbidden, "{status}");
        assert_eq!(s.carrier.find(&number(NUMBER)).await.unwrap_err().class, ErrorClass::Forbidden, "{status}");
    }
}

pub async fn an_account_that_serves_again_is_as_it_was(s: &Subject) {
    s.own(NUMBER);
    s.sandbox.set_status(&s.account(), "suspended").unwrap();
    s.carrier.list().await.unwrap_err();
    s.sandbox.set_status(&s.account(), "active").unwrap();
    assert_eq!((s.carrier.identify().await, s.listed().await), (Ok(identity(s)), vec![NUMBER.to_owned()]));
}
