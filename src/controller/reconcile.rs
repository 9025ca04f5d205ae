//! The work on one object: what it says of itself in the end, and to people. It does I/O: the API server.

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::events::{Event, EventType};

use super::{Context, error::Error, kinds::Controlled};
use crate::{
    api::conditions::{self, news},
    plan::{Note, Rest},
};

/// What is done is done for this object.
pub struct Reconcile<'a, K> {
    pub context: &'a Context,
    pub object: &'a K,
}

impl<K: Controlled> Reconcile<'_, K> {
    pub fn uid(&self) -> &str {
        self.object.meta().uid.as_deref().unwrap_or_default()
    }

    /// Ends a pass: writes the status where it differs, and tells what is new in it.
    pub async fn rest(&self, rest: Rest<K::Status>) -> Result<Option<Duration>, Error> {
        let (context, object) = (self.context, self.object);
        let Rest { status: Some(status), again } = rest else { return Ok(rest.again) };
        let again = again.into_iter().chain(conditions::stalls_in(K::conditions(&status), Timestamp::now())).min();
        if object.status() == Some(&status) {
            return Ok(again);
        }
        let before = object.status().map_or(&[][..], K::conditions);
        let told = K::notes(object.status(), &status);
        let notes: Vec<Note> = news(before, K::conditions(&status))
            .map(|(row, condition)| Note {
                warning: row.event == conditions::Event::Warning,
                reason: row.name,
                text: condition.message.clone().into_owned(),
            })
            .chain(told)
            .collect();
        let mut wanted = object.clone();
        wanted.set_status(status);
        context.wrote(object, context.replace_status(&wanted).await).await?;
        self.publish(&notes);
        Ok(again)
    }

    /// Publishes events. A dry run tells nobody.
    pub fn publish(&self, notes: &[Note]) {
        for note in notes.iter().filter(|_| self.context.dry_run().is_none()) {
            let event = Event {
                type_: if note.warning { EventType::Warning } else { EventType::Normal },
                reason: note.reason.to_owned(),
                note: Some(note.text.clone()),
                action: "Reconcile".to_owned(),
                secondary: None,
            };
            self.context.events.publish(event, self.object.object_ref(&()));
        }
    }
}
