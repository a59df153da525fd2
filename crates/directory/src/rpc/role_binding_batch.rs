//! Giving, changing and taking several roles at once.

use api::directory::v1 as proto;
use client::guard;
use decision::name::NodeName;
use service::{call::WriteCall, change::Opened};
use tonic::{Response, Status};

use super::{ATTEMPTS, outrun, role_binding::present};
use crate::{
    Directory,
    arrange::{Placed, Step, arrange},
    role_binding::RoleBinding,
    status::Error,
    wire::role_binding::{self as wire, Amendment, Draft, Revocation},
};

fn written(bindings: &[RoleBinding]) -> Vec<proto::RoleBinding> {
    bindings.iter().map(wire::write).collect()
}

impl Directory {
    pub(super) async fn assign_all(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        drafts: Vec<Draft>,
    ) -> Result<Response<proto::BatchCreateRoleBindingsResponse>, Status> {
        let now = self.service.now();
        let place = |at: usize| format!("requests[{at}].role_binding");
        let give = |draft: Draft| Step::Give(RoleBinding::new(draft.name, draft.assigned, now));
        let steps: Vec<_> = drafts.into_iter().enumerate().map(|(at, draft)| Placed { step: give(draft), place: place(at) }).collect();
        let mut change = match self.open_for_each(call, organization, &needed(&steps)).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let given = arrange(&mut change, organization, &steps, 0).await?;
        change.answer(proto::BatchCreateRoleBindingsResponse { role_bindings: written(&given) }).await
    }

    pub(super) async fn amend_all(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        amendments: &[Amendment],
    ) -> Result<Response<proto::BatchUpdateRoleBindingsResponse>, Status> {
        if let Some(answer) = self.service.answered_before(call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let mut steps = Vec::with_capacity(amendments.len());
            for (at, Amendment { name, change, .. }) in amendments.iter().enumerate() {
                let place = format!("requests[{at}].role_binding");
                let seen = self.binding_seen(&call.call, name, guard::revoke(name.as_str())).await;
                let before = seen.map_err(|status| Error::from(status).at(&place))?;
                let to = before.assigned.changed(change);
                steps.push(Placed { step: Step::Change { before, to }, place });
            }
            let mut change = match self.open_for_each(call, organization, &needed(&steps)).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let mut is_as_seen = true;
            for (Amendment { name, etag, .. }, placed) in amendments.iter().zip(&steps) {
                let present = present(&change, name, *etag).await.map_err(|error| error.at(&placed.place))?;
                is_as_seen &= placed.step.before() == Some(&present);
            }
            if is_as_seen {
                let changed = arrange(&mut change, organization, &steps, 0).await?;
                return change.answer(proto::BatchUpdateRoleBindingsResponse { role_bindings: written(&changed) }).await;
            }
        }
        Err(outrun())
    }

    pub(super) async fn revoke_all(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        revocations: &[Revocation],
    ) -> Result<Response<proto::BatchDeleteRoleBindingsResponse>, Status> {
        let place = |at: usize| format!("requests[{at}]");
        let needed: Vec<_> = revocations.iter().enumerate().map(|(at, one)| (place(at), guard::revoke(one.name.as_str()))).collect();
        let mut change = match self.open_for_each(call, organization, &needed).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let (mut steps, mut gone) = (Vec::with_capacity(revocations.len()), Vec::with_capacity(revocations.len()));
        for (at, Revocation { name, etag }) in revocations.iter().enumerate() {
            let present = present(&change, name, *etag).await.map_err(|error| error.at(&place(at)))?;
            gone.push(present.clone());
            steps.push(Placed { step: Step::Revoke(present), place: place(at) });
        }
        arrange(&mut change, organization, &steps, 0).await?;
        change.answer(proto::BatchDeleteRoleBindingsResponse { role_bindings: written(&gone) }).await
    }
}

/// What the actor needs for these steps, and for which.
pub(super) fn needed(steps: &[Placed]) -> Vec<(String, api::authz::v1::Requirement)> {
    steps.iter().map(|placed| (placed.place.clone(), placed.step.requirement())).collect()
}
