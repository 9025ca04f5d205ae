//! What the cache does with the news of two sources, in sentences.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
use kube::ResourceExt;

use super::*;

impl Kept for ConfigMap {
    type Group = Option<String>;

    fn group(&self) -> Option<String> {
        self.data.as_ref()?.get("group").cloned()
    }
}

/// Stands under the account that `data.account` names.
fn index(object: &ConfigMap, put: &mut dyn FnMut(Index, String)) {
    if let Some(account) = object.data.as_ref().and_then(|data| data.get("account")) {
        put(Index::Account, account.clone());
    }
}

fn object(name: &str, version: u64) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.namespace = Some("clinics".into());
    object.metadata.name = Some(name.into());
    object.metadata.uid = Some(format!("{name}-1"));
    object.metadata.resource_version = Some(version.to_string());
    object
}

fn under(account: &str, mut object: ConfigMap) -> ConfigMap {
    object.data = Some([("account".to_owned(), account.to_owned())].into());
    object
}

fn with_uid(uid: &str, mut object: ConfigMap) -> ConfigMap {
    object.metadata.uid = Some(uid.into());
    object
}

fn key(name: &str) -> Key {
    Key::new("clinics", name)
}

fn list(cache: &Cache<ConfigMap>, objects: impl IntoIterator<Item = ConfigMap>) -> Vec<Change<ConfigMap>> {
    assert!(cache.apply(Event::Init).is_empty());
    for object in objects {
        assert!(cache.apply(Event::InitApply(object)).is_empty());
    }
    cache.apply(Event::InitDone)
}

fn listed(objects: impl IntoIterator<Item = ConfigMap>) -> Cache<ConfigMap> {
    let cache = Cache::new(index);
    list(&cache, objects);
    cache
}

/// `name` when it came, `-name` when it went, `name 3>5` when it changed.
fn said(changes: impl IntoIterator<Item = Change<ConfigMap>>) -> Vec<String> {
    let mut said: Vec<_> = changes
        .into_iter()
        .map(|change| match (&change.old, &change.new) {
            (None, Some(new)) => new.name_any(),
            (Some(old), None) => format!("-{}", old.name_any()),
            (Some(old), Some(new)) => {
                format!("{} {}>{}", new.name_any(), old.resource_version().unwrap(), new.resource_version().unwrap())
            }
            (None, None) => unreachable!("a change of nothing"),
        })
        .collect();
    said.sort();
    said
}

fn version_of(cache: &Cache<ConfigMap>, name: &str) -> Option<String> {
    cache.get(&key(name)).and_then(|object| object.resource_version())
}

#[test]
fn nothing_is_known_for_sure_before_the_first_list_is_complete() {
    let cache = Cache::new(index);
    cache.apply(Event::Init);
    cache.apply(Event::InitApply(object("a", 1)));
    assert!(!cache.synced() && cache.is_empty());
    assert_eq!(said(cache.apply(Event::InitDone)), ["a"]);
    assert!(cache.synced() && cache.len() == 1);
}

#[test]
fn an_empty_list_is_a_complete_one() {
    assert!(listed([]).synced());
}

#[test]
fn a_watch_event_gives_what_was_and_what_is() {
    let cache = listed([object("a", 1)]);
    assert_eq!(said(cache.apply(Event::Apply(object("a", 2)))), ["a 1>2"]);
    assert_eq!(said(cache.apply(Event::Apply(object("b", 3)))), ["b"]);
    assert_eq!(said(cache.apply(Event::Delete(object("a", 4)))), ["-a"]);
    assert_eq!(cache.all().len(), 1);
}

#[test]
fn a_relist_says_only_what_differs() {
    let cache = listed([object("same", 1), object("gone", 2), object("changed", 3)]);
    let before = cache.get(&key("same")).unwrap();
    let changes = list(&cache, [object("same", 1), object("changed", 5), object("new", 6)]);
    assert_eq!(said(changes), ["-gone", "changed 3>5", "new"]);
    assert!(Arc::ptr_eq(&before, &cache.get(&key("same")).unwrap()), "the same object is not kept twice");
}

#[test]
fn an_interrupted_relist_leaves_what_was_known() {
    let cache = listed([object("a", 1), object("b", 2)]);
    cache.apply(Event::Init);
    cache.apply(Event::InitApply(object("a", 1)));
    assert_eq!(cache.len(), 2);
    assert_eq!(said(list(&cache, [object("a", 1), object("b", 2)])), [""; 0]);
}

#[test]
fn our_own_write_is_seen_at_once_and_said_once() {
    let cache = listed([object("a", 1)]);
    assert_eq!(said(cache.wrote(object("a", 2))), ["a 1>2"]);
    assert_eq!(version_of(&cache, "a").unwrap(), "2");
    assert!(cache.apply(Event::Apply(object("a", 2))).is_empty(), "the watch repeats it");
}

#[test]
fn an_older_watch_event_does_not_undo_our_own_write() {
    let cache = listed([object("a", 1)]);
    cache.wrote(object("a", 5));
    assert!(cache.apply(Event::Apply(object("a", 3))).is_empty());
    assert_eq!(version_of(&cache, "a").unwrap(), "5");
}

#[test]
fn an_answer_that_comes_after_newer_news_is_no_news() {
    let cache = listed([object("a", 1)]);
    cache.apply(Event::Apply(object("a", 7)));
    assert!(cache.wrote(object("a", 5)).is_none());
    assert_eq!(version_of(&cache, "a").unwrap(), "7");
}

#[test]
fn an_object_deleted_meanwhile_does_not_come_back_with_a_late_answer() {
    let cache = listed([object("a", 1)]);
    cache.apply(Event::Apply(object("a", 5)));
    cache.apply(Event::Delete(object("a", 6)));
    assert!(cache.wrote(object("a", 5)).is_none());
    assert!(cache.get(&key("a")).is_none());
}

#[test]
fn a_late_answer_is_refused_also_when_the_watch_moved_on_by_another_object() {
    let cache = listed([]);
    cache.apply(Event::Apply(object("other", 9)));
    assert!(cache.wrote(object("a", 5)).is_none());
}

#[test]
fn a_ghost_that_the_list_could_not_betray_goes_with_the_next_event() {
    // Written at 5 and deleted at 6; the list was made at 7, its newest object is of 1, and the answer came last.
    let cache = listed([object("other", 1)]);
    assert_eq!(said(cache.wrote(object("ghost", 5))), ["ghost"]);
    assert_eq!(said(cache.apply(Event::Apply(object("other", 8)))), ["-ghost", "other 1>8"]);
}

#[test]
fn an_own_write_that_the_watch_has_not_come_to_yet_is_no_ghost() {
    let cache = listed([object("other", 1)]);
    cache.wrote(object("a", 5));
    assert_eq!(said(cache.apply(Event::Apply(object("other", 4)))), ["other 1>4"]);
    assert!(cache.apply(Event::Apply(object("a", 5))).is_empty());
    assert_eq!(said(cache.apply(Event::Apply(object("other", 6)))), ["other 4>6"]);
    assert_eq!(cache.len(), 2);
}

#[test]
fn two_own_writes_in_a_row_are_both_passed_by_without_loss() {
    let cache = listed([object("a", 1)]);
    cache.wrote(object("a", 5));
    cache.wrote(object("a", 6));
    assert!(cache.apply(Event::Apply(object("a", 5))).is_empty());
    assert!(cache.apply(Event::Apply(object("a", 6))).is_empty());
    assert_eq!(said(cache.apply(Event::Apply(object("other", 7)))), ["other"]);
    assert_eq!(version_of(&cache, "a").unwrap(), "6");
}

#[test]
fn an_object_written_during_a_relist_is_kept_though_the_list_lacks_it() {
    let cache = listed([object("other", 3)]);
    cache.apply(Event::Init);
    cache.apply(Event::InitApply(object("other", 3)));
    cache.wrote(object("new", 8));
    assert!(cache.apply(Event::InitDone).is_empty());
    assert!(cache.get(&key("new")).is_some());
}

#[test]
fn an_object_written_before_the_list_was_made_and_missing_in_it_is_gone() {
    let cache = listed([object("other", 3)]);
    cache.wrote(object("new", 8));
    assert_eq!(said(list(&cache, [object("other", 9)])), ["-new", "other 3>9"]);
}

#[test]
fn a_relist_does_not_undo_a_newer_own_write() {
    let cache = listed([object("a", 3)]);
    cache.apply(Event::Init);
    cache.apply(Event::InitApply(object("a", 3)));
    cache.wrote(object("a", 8));
    assert!(cache.apply(Event::InitDone).is_empty());
    assert_eq!(version_of(&cache, "a").unwrap(), "8");
}

#[test]
fn a_late_delete_of_the_former_object_leaves_its_successor() {
    let cache = listed([object("a", 1)]);
    cache.wrote(with_uid("a-2", object("a", 9)));
    assert!(cache.apply(Event::Delete(object("a", 8))).is_empty());
    assert_eq!(version_of(&cache, "a").unwrap(), "9");
}

#[test]
fn an_object_that_we_know_to_be_gone_stays_gone_while_the_watch_lags() {
    let cache = listed([object("a", 1)]);
    assert_eq!(said(cache.gone(&key("a"), "a-1")), ["-a"]);
    assert!(cache.apply(Event::Apply(object("a", 2))).is_empty());
    assert!(cache.apply(Event::Delete(object("a", 3))).is_empty());
    assert_eq!(said(cache.apply(Event::Apply(with_uid("a-2", object("a", 4))))), ["a"]);
}

#[test]
fn a_tombstone_outlives_the_list_that_shows_the_object_and_no_other() {
    let cache = listed([object("a", 1)]);
    cache.gone(&key("a"), "a-1");
    assert!(list(&cache, [object("a", 1)]).is_empty(), "the list was made before the delete");
    assert!(list(&cache, []).is_empty());
    assert!(cache.read().removed.is_empty());
}

#[test]
fn an_object_of_another_uid_is_not_the_one_that_is_gone() {
    let cache = listed([object("a", 1)]);
    assert!(cache.gone(&key("a"), "a-0").is_none());
    assert_eq!(cache.len(), 1);
}

#[test]
fn the_answer_that_took_the_last_finalizer_off_is_the_objects_end() {
    let cache = listed([object("a", 1)]);
    let mut last = object("a", 2);
    last.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(said(cache.wrote(last.clone())), ["-a"]);

    let cache = listed([object("a", 1)]);
    last.metadata.finalizers = Some(vec!["dialplane.dev/route".into()]);
    assert_eq!(said(cache.wrote(last)), ["a 1>2"]);
}

#[test]
fn objects_are_found_by_what_they_refer_to() {
    let cache = listed([under("one", object("b", 1)), under("one", object("a", 2)), object("c", 3)]);
    let names: Vec<_> = cache.by(Index::Account, "one").iter().map(|object| object.name_any()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(cache.count_by(Index::Account, "one"), 2);
    assert!(cache.by(Index::Agent, "one").is_empty());
}

#[test]
fn an_index_follows_an_object_that_moves_and_forgets_one_that_goes() {
    let cache = listed([under("one", object("a", 1))]);
    cache.wrote(under("two", object("a", 2)));
    assert_eq!((cache.count_by(Index::Account, "one"), cache.count_by(Index::Account, "two")), (0, 1));
    cache.apply(Event::Delete(object("a", 3)));
    assert_eq!(cache.count_by(Index::Account, "two"), 0);
    assert!(cache.read().index[&Index::Account].is_empty(), "no empty sets pile up");
}

#[test]
fn an_index_follows_a_relist() {
    let cache = listed([under("one", object("a", 1)), under("one", object("b", 2))]);
    list(&cache, [under("two", object("a", 3))]);
    assert_eq!((cache.count_by(Index::Account, "one"), cache.count_by(Index::Account, "two")), (0, 1));
}

#[test]
fn what_only_others_read_is_not_kept() {
    let mut fat = object("a", 1);
    fat.metadata.managed_fields = Some(vec![ManagedFieldsEntry::default()]);
    fat.metadata.annotations = Some(
        [("kubectl.kubernetes.io/last-applied-configuration".to_owned(), "{}".to_owned()), ("a".into(), "b".into())]
            .into(),
    );
    for cache in [listed([fat.clone()]), Cache::new(index)] {
        cache.wrote(ConfigMap { metadata: fat.metadata.clone(), ..Default::default() });
        cache.apply(Event::Apply(fat.clone()));
        let kept = cache.get(&key("a")).unwrap();
        assert!(kept.metadata.managed_fields.is_none());
        assert_eq!(kept.annotations().keys().collect::<Vec<_>>(), ["a"]);
    }
}

#[test]
fn a_resource_version_that_is_no_integer_leaves_the_watch_in_charge() {
    let mut odd = object("a", 1);
    odd.metadata.resource_version = Some("b3".into());
    let cache = listed([odd.clone()]);
    assert!(cache.wrote(odd.clone()).is_none());
    assert_eq!(cache.apply(Event::Apply(odd.clone())).len(), 1);
    assert_eq!(said(cache.apply(Event::Delete(odd))), ["-a"]);
}

fn unreadable(name: &str, version: u64, why: &str) -> Sent<ConfigMap> {
    let metadata = object(name, version).metadata;
    Sent::Unreadable(Box::new(Unreadable { kind: "ConfigMap".into(), metadata, why: why.into() }))
}

/// What changed, what is newly left out, and what is gone without ever having been read.
fn told(news: News<ConfigMap>) -> (Vec<String>, usize, usize) {
    (said(news.changes), news.left_out.len(), news.gone.len())
}

fn relist(cache: &Cache<ConfigMap>, objects: impl IntoIterator<Item = Sent<ConfigMap>>) -> News<ConfigMap> {
    cache.take(Event::Init);
    objects.into_iter().for_each(|object| drop(cache.take(Event::InitApply(object))));
    cache.take(Event::InitDone)
}

#[test]
fn an_object_that_does_not_decode_is_left_out_alone() {
    let cache = Cache::new(index);
    let news = relist(&cache, [object("a", 1).into(), unreadable("b", 2, "spec"), object("c", 3).into()]);
    assert_eq!(told(news), (vec!["a".to_owned(), "c".to_owned()], 1, 0));
    assert!(cache.synced() && cache.get(&key("b")).is_none());
    assert_eq!(cache.is_left_out(&key("b")).unwrap().why, "spec");
    let again = relist(&cache, [object("a", 1).into(), unreadable("b", 2, "spec"), object("c", 3).into()]);
    assert_eq!(told(again), (vec![], 0, 0), "it is said once");
}

#[test]
fn an_object_that_decodes_no_longer_is_not_gone() {
    let cache = listed([under("tw", object("a", 1))]);
    assert_eq!(told(cache.take(Event::Apply(unreadable("a", 2, "spec")))), (vec![], 1, 0));
    assert!(cache.get(&key("a")).is_none() && cache.by(Index::Account, "tw").is_empty());
    assert_eq!(told(cache.take(Event::Apply(unreadable("a", 3, "spec")))), (vec![], 0, 0), "the same again");
    assert_eq!(told(cache.take(Event::Apply(unreadable("a", 4, "status")))), (vec![], 1, 0), "it fails otherwise");
    assert_eq!(
        told(cache.take(Event::Apply(object("a", 5).into()))),
        (vec!["a".to_owned()], 0, 0),
        "as if it were new"
    );
    assert!(cache.left_out().is_empty());
}

#[test]
fn older_news_of_an_object_change_nothing_whether_they_decode_or_not() {
    let cache = listed([object("a", 5)]);
    assert_eq!(told(cache.take(Event::Apply(unreadable("a", 4, "spec")))), (vec![], 0, 0));
    assert!(cache.get(&key("a")).is_some());
    cache.take(Event::Apply(unreadable("a", 6, "spec")));
    assert!(cache.wrote(object("a", 6)).is_none() && cache.get(&key("a")).is_none());
    assert!(cache.wrote(object("a", 7)).is_some() && cache.left_out().is_empty(), "our own write may mend it");
}

#[test]
fn when_it_goes_it_is_told_as_it_was_when_it_last_decoded() {
    let cache = listed([object("a", 1), object("b", 2)]);
    cache.take(Event::Apply(unreadable("a", 3, "spec")));
    assert_eq!(told(cache.take(Event::Delete(unreadable("a", 4, "spec")))), (vec!["-a".to_owned()], 0, 0));
    cache.take(Event::Apply(unreadable("b", 5, "spec")));
    assert_eq!(told(relist(&cache, [])), (vec!["-b".to_owned()], 0, 0));
    cache.take(Event::Apply(unreadable("c", 6, "spec")));
    assert_eq!(told(cache.take(Event::Delete(unreadable("c", 7, "spec")))), (vec![], 0, 1), "it never did");
    cache.take(Event::Apply(unreadable("d", 8, "spec")));
    assert_eq!(told(relist(&cache, [])), (vec![], 0, 1));
    assert!(cache.left_out().is_empty());
}

#[test]
fn an_object_made_again_that_does_not_decode_is_not_the_one_before() {
    let cache = listed([object("a", 1)]);
    let mut again = unreadable("a", 2, "spec");
    again.meta_mut().uid = Some("another".into());
    assert_eq!(told(cache.take(Event::Apply(again))), (vec!["-a".to_owned()], 1, 0));
    let gone = cache.gone(&key("a"), "another");
    assert!(gone.is_none() && cache.left_out().is_empty(), "a live read did not find it");
    let mut late = unreadable("a", 3, "spec");
    late.meta_mut().uid = Some("another".into());
    assert_eq!(told(cache.take(Event::Apply(late))), (vec![], 0, 0), "and late news do not bring it back");
}

fn in_group(group: &str, mut object: ConfigMap) -> ConfigMap {
    object.data.get_or_insert_default().insert("group".to_owned(), group.to_owned());
    object
}

/// The groups of an account, in order: `north 2`.
fn groups(cache: &Cache<ConfigMap>, account: &str) -> Vec<String> {
    let named = |(group, count): (Option<String>, usize)| format!("{} {count}", group.unwrap_or_default());
    let mut groups: Vec<String> = cache.groups(Index::Account, account).into_iter().map(named).collect();
    groups.sort();
    groups
}

#[test]
fn objects_are_counted_by_group_as_they_come_change_move_and_go() {
    let grouped = |name, version, account, group| in_group(group, under(account, object(name, version)));
    let cache = listed([grouped("a", 1, "twilio", "north"), grouped("b", 2, "twilio", "north")]);
    assert_eq!(groups(&cache, "twilio"), ["north 2"]);
    cache.wrote(grouped("b", 3, "twilio", "south"));
    assert_eq!(groups(&cache, "twilio"), ["north 1", "south 1"]);
    cache.apply(Event::Apply(grouped("b", 4, "telnyx", "south")));
    assert_eq!((groups(&cache, "twilio"), groups(&cache, "telnyx")), (vec!["north 1".into()], vec!["south 1".into()]));
    list(&cache, [grouped("b", 4, "telnyx", "south")]);
    assert!(groups(&cache, "twilio").is_empty());
    cache.gone(&key("b"), "b-1");
    assert!(groups(&cache, "telnyx").is_empty() && cache.read().groups[&Index::Account].is_empty());
}

#[test]
fn an_object_that_stands_twice_under_a_value_is_counted_once() {
    let cache = Cache::new(|object, put| {
        index(object, put);
        index(object, put);
    });
    cache.apply(Event::Apply(under("twilio", object("a", 1))));
    assert_eq!(groups(&cache, "twilio"), [" 1"]);
    cache.apply(Event::Delete(under("twilio", object("a", 2))));
    assert!(groups(&cache, "twilio").is_empty());
}

#[test]
fn each_namespace_that_is_watched_has_its_own_order() {
    let cache = Cache::<ConfigMap>::of(&["clinics".to_owned(), "north".to_owned()], index);
    let within = |namespace: &str, mut object: ConfigMap| {
        object.metadata.namespace = Some(namespace.into());
        object
    };
    let in_north = |name: &str, version| within("north", object(name, version));
    let relist = |scope: &str, objects: Vec<ConfigMap>| {
        cache.take_in(scope, Event::Init);
        for object in objects {
            cache.take_in(scope, Event::InitApply(object.into()));
        }
        cache.take_in(scope, Event::InitDone).changes.len()
    };
    relist("clinics", vec![object("a", 10)]);
    assert!(!cache.synced());
    assert!(cache.knows("clinics") && !cache.knows("north") && !cache.knows("elsewhere"));
    cache.refused("north");
    assert!(cache.synced() && !cache.knows("north"), "what may not be read holds up nothing");
    relist("north", vec![in_north("b", 3)]);
    assert!(cache.synced() && cache.knows("north"));
    cache.refused("north");
    assert!(!cache.knows("north") && cache.contains(&Key::new("north", "b")), "what was known stays");
    relist("north", vec![in_north("b", 3)]);

    // That one watch has come to 10 says nothing of what another delivers.
    assert!(cache.wrote(in_north("b", 5)).is_some());
    assert!(cache.wrote(object("a", 9)).is_none(), "older than what its own watch has shown");
    assert!(cache.take_in("clinics", Event::Apply(object("c", 12).into())).changes.len() == 1);
    let seen = cache.get(&Key::new("north", "b")).unwrap();
    assert_eq!(seen.metadata.resource_version.as_deref(), Some("5"), "no ghost: its watch has not come to it");
    assert_eq!(relist("clinics", vec![object("c", 12)]), 1, "only what is in the list's namespace is missing from it");
    assert!(cache.contains(&Key::new("north", "b")) && !cache.contains(&key("a")));
    assert!(cache.wrote(within("elsewhere", object("x", 99))).is_none(), "nothing would ever say that it went");
}

#[test]
fn where_nothing_may_be_read_nothing_is_complete() {
    let all = Cache::<ConfigMap>::new(index);
    all.refused("");
    let some = Cache::<ConfigMap>::of(&["clinics".to_owned(), "north".to_owned()], index);
    ["clinics", "north"].iter().for_each(|namespace| some.refused(namespace));
    assert!(!all.synced() && !some.synced());
}
