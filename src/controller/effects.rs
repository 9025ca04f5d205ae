//! What each effect of a plan is made of, and in which order: the one place that says so. It does no I/O by itself: what can be written
//! to the cluster and to the carrier does.

use crate::{
    api::{
        NumberClaim,
        agent::AgentVersionSpec,
        claim::NumberClaimSpec,
        meta::{IN_USE_FINALIZER, Key},
        number::E164,
        purchase::Hold,
    },
    carrier::Order,
    plan::{
        BuyNumber, Effect, Entry, HoldNumber, LetGoHold, Mark, Note, ServeHosted, SetBinding, SetRoute, SetSharedRoute,
    },
};

/// What can be written to the cluster for one object, by compare-and-set on what its pass saw.
pub trait ClusterWrites {
    type Error;

    /// Creates a claim that bears no version, and replaces one that does. Whoever finds one there where none was has lost, which the
    /// next pass sees.
    fn write_claim(&mut self, claim: NumberClaim) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The same with the claim of an idle number; whether the object holds it then. Losing is no error.
    fn take_claim(&mut self, claim: NumberClaim) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Writes an entry of the journal, and knows from then on that this process wrote it; whether it did. Losing is no error.
    fn write_journal(&mut self, entry: Entry) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Puts a finalizer on the object, or takes it off.
    fn set_finalizer(&mut self, name: &'static str, on: bool) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn annotate(&mut self, name: &'static str, value: String) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Deletes the object, and then its finalizer.
    fn delete(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn create_version(&mut self, spec: AgentVersionSpec) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn delete_version(&mut self, key: Key) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// An error unless the claim on which a carrier write was decided is still as it was: by having written it just now, or by a live
    /// read, which it takes where a write is for good.
    fn fence_claim(&mut self, number: &E164, for_good: bool) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// An error unless the object is, by a live read.
    fn fence_object(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Publishes events.
    fn tell(&mut self, notes: &[Note]);
}

/// What can be written to its carrier, and noted of that.
pub trait CarrierWrites: ClusterWrites {
    fn set_route(&mut self, write: SetRoute) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn set_shared_route(&mut self, write: SetSharedRoute) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn set_binding(&mut self, write: SetBinding) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn serve_hosted(&mut self, write: ServeHosted) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn mark(&mut self, mark: Mark) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Has a number brought in from the organization's own carrier account.
    fn bring_in(&mut self, account: Key, number: E164) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Has the carrier keep a number; nothing if it does not.
    fn hold(&mut self, hold: &HoldNumber) -> impl Future<Output = Result<Option<Hold>, Self::Error>> + Send;

    /// Has the carrier let go of a hold, if nobody else may be about to buy by it.
    fn let_go(&mut self, account: &Key, hold: &Hold) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Buys a number, if the entry with its token still lets it.
    fn purchase(&mut self, buy: BuyNumber) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn cancel_order(&mut self, account: Key, order: Order) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether the entry with this token still lets its number be taken; from now on that counts as tried.
    fn try_once(&mut self, token: &str) -> bool;

    /// Notes that somebody else has the number of the last entry, and nothing was sent for it.
    fn lose(&mut self, account: &Key, number: &E164);
    fn ask_grant(&mut self);

    /// Has the account take back the right to buy, once it sees that nothing was sent by it.
    fn give_back_grant(&mut self);
    fn accept_inventory(&mut self);
}

/// Does `effect` for the object of `backend`.
pub async fn act<B: CarrierWrites>(backend: &mut B, effect: Effect) -> Result<(), B::Error> {
    match effect {
        Effect::CreateClaim(spec) => backend.write_claim(new_claim(*spec)).await,
        Effect::WriteClaim(claim) => backend.write_claim(*claim).await,
        Effect::CloseClaim(claim, note) => {
            backend.write_claim(*claim).await?;
            backend.tell(note.as_slice());
            Ok(())
        }
        Effect::DropClaim(note) => {
            backend.delete().await?;
            backend.tell(note.as_slice());
            Ok(())
        }
        Effect::DropJournal => backend.delete().await,
        Effect::AddFinalizer(name) => backend.set_finalizer(name, true).await,
        Effect::RemoveFinalizer(name) => backend.set_finalizer(name, false).await,
        Effect::SetRoute(write) => {
            backend.fence_claim(&write.number, false).await?;
            backend.set_route(*write).await
        }
        Effect::SetSharedRoute(write) => {
            backend.fence_object().await?;
            backend.set_shared_route(*write).await
        }
        Effect::SetBinding(write) => {
            backend.fence_claim(&write.number, false).await?;
            backend.set_binding(*write).await
        }
        Effect::ServeHosted(write) => {
            backend.fence_object().await?;
            backend.serve_hosted(*write).await
        }
        Effect::Mark(mark) => {
            // A marker says for good whose the number is.
            backend.fence_claim(&mark.number, true).await?;
            backend.mark(*mark).await
        }
        Effect::BringIn(account, number) => {
            backend.fence_claim(&number, false).await?;
            backend.bring_in(account, number).await
        }
        Effect::AskGrant => {
            backend.ask_grant();
            Ok(())
        }
        Effect::GiveBackGrant => {
            backend.give_back_grant();
            Ok(())
        }
        Effect::WriteJournal(entry) => backend.write_journal(*entry).await.map(drop),
        Effect::Hold(mut hold) => {
            let Some(held) = backend.hold(&hold).await? else { return Ok(()) };
            hold.entry.journal.spec.hold = Some(held);
            backend.write_journal(hold.entry).await.map(drop)
        }
        Effect::LetGo(let_go) => {
            let LetGoHold { account, hold, entry } = *let_go;
            if backend.write_journal(entry).await? {
                backend.let_go(&account, &hold).await?;
            }
            Ok(())
        }
        Effect::Purchase(buy) => {
            backend.fence_claim(&buy.number, false).await?;
            backend.purchase(*buy).await
        }
        Effect::CancelOrder(account, order) => backend.cancel_order(account, *order).await,
        Effect::TakeNumber(take) => {
            let number = take.claim.spec.number.clone();
            if backend.try_once(&take.token) && !backend.take_claim(take.claim).await? {
                backend.lose(&take.account, &number);
            }
            Ok(())
        }
        Effect::LoseNumber(account, number) => {
            backend.lose(&account, &number);
            Ok(())
        }
        Effect::Annotate(name, value) => backend.annotate(name, value).await,
        Effect::CreateVersion(spec) => backend.create_version(*spec).await,
        Effect::DeleteVersion(key) => backend.delete_version(key).await,
        Effect::AcceptInventory => {
            backend.accept_inventory();
            Ok(())
        }
    }
}

fn new_claim(spec: NumberClaimSpec) -> NumberClaim {
    let name = spec.number.digits().to_owned();
    let mut claim = NumberClaim::new(&name, spec);
    claim.metadata.finalizers = Some(vec![IN_USE_FINALIZER.to_owned()]);
    claim
}
