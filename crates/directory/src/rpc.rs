//! The handlers: read the request, ask for a permit, do it, write the answer.

mod account;
mod audit;
mod batch;
mod ceiling;
mod export;
mod group;
mod identity;
mod import;
mod invariant;
mod invitation;
mod invitation_batch;
mod invitation_events;
mod kind;
mod member;
mod moves;
mod organization;
mod partnership;
mod resource;
mod role_binding;
mod role_binding_batch;
mod roster;
mod undelete;
mod user;
mod workspace;

use std::time::Duration;

use decision::name::NodeName;
use service::change::Change;
use tonic::Status;

use crate::{status::Error, store};

/// Whether something can be put into a container. Others than the platform are refused by authz where it is closed.
async fn open_below(change: &Change, container: &NodeName) -> Result<(), Error> {
    let db = change.connection();
    for node in [container.organization(), container.clone()] {
        if !store::node::is_live(db, &node).await? {
            return Err(Error::not_found(node.as_str()));
        }
    }
    Ok(())
}

/// Whether a node can be deleted: nothing is below it, or it may be closed with it. Customers never are (DESIGN §3, Ends).
async fn nothing_below(change: &Change, name: &NodeName, force: bool) -> Result<(), Error> {
    let below = store::node::below(change.connection(), name).await?;
    let counted =
        [("customers", below.customers), ("workspaces", below.workspaces), ("accounts", below.accounts), ("resources", below.resources)];
    let below_it: Vec<_> = counted.into_iter().filter(|(_, count)| *count > 0).collect();
    if below.customers == 0 && (force || below_it.is_empty()) {
        return Ok(());
    }
    Err(Error::HasChildren { name: name.to_string(), below: below_it, forceable: below.customers == 0 })
}

/// A preview has at most so many changes of access.
const PREVIEWED: u32 = 10_000;

/// How often a write is begun anew because what its permit was asked for has changed meanwhile: as many as may be in line before it. Each waits in
/// the line of the tree, and the call's deadline ends them all.
const ATTEMPTS: usize = 64;

/// Others were faster each time.
fn outrun() -> Status {
    Error::Ledger(ledger::Error::Busy { retry_after: Duration::from_millis(250) }).into()
}
