//! What decisions are made from, as the feed has it.

use api::feed::v1::{CustomRoleState, Record, RoleModelRevisionState, record::State};

use crate::{role::CustomRole, role_model::Revision, status::Error, wire};

/// These states are known to readers since the first version: one that does not know them must not go on without.
const SKIPPABLE_FROM: u32 = 1;

fn record(key: String, state: State) -> Record {
    Record { key, skippable_from: SKIPPABLE_FROM, state: Some(state) }
}

/// A revision of a role model.
pub(crate) fn role_model_revision(revision: &Revision) -> Result<Record, Error> {
    let state = RoleModelRevisionState { document: Some(wire::write_document(&revision.document)?) };
    Ok(record(format!("{}/revisions/{}", revision.name(), revision.number), State::RoleModelRevision(state)))
}

/// A custom role.
pub(crate) fn custom_role(role: &CustomRole) -> Result<Record, Error> {
    let state = CustomRoleState { held_at: role.held_at.clone(), grants: wire::write_grants(&role.grants)? };
    Ok(record(role.name.to_string(), State::CustomRole(state)))
}
