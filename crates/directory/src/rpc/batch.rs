//! Writes of several things at once: one permit for all, and for which of them it is refused.

use api::authz::v1::Requirement;
use client::guard::Ask;
use decision::name::NodeName;
use service::{
    call::WriteCall,
    change::{Answer, Opened},
};
use tonic::{Code, Status};

use crate::{Directory, status::Error};

impl Directory {
    /// Opens a write in an organization that needs all of this; each comes with the place in the request that it is needed for, and a refusal says that of
    /// the first for which it is refused.
    pub(super) async fn open_for_each<R: Answer>(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        needed: &[(String, Requirement)],
    ) -> Result<Opened<R>, Status> {
        match self.service.open(call, ask(organization, needed)).await {
            Err(status) if is_verdict(&status) => Err(self.first_refused(call, organization, needed, status).await),
            opened => opened,
        }
    }

    /// A permit for all does not say what it was refused for: that is between so many of the first as are allowed together, and one more.
    async fn first_refused(&self, call: &WriteCall, organization: &NodeName, needed: &[(String, Requirement)], refusal: Status) -> Status {
        let (mut allowed, mut refused, mut verdict) = (0, needed.len(), None);
        loop {
            // All of them once more first: it may have been refused for something else.
            let asked = if verdict.is_none() { refused } else { usize::midpoint(allowed, refused) };
            let Some((first, rest)) = needed.split_at_checked(asked) else { return refusal };
            match self.service.permit(&call.call, ask(organization, first)).await {
                Ok(_) if rest.is_empty() => return refusal,
                Ok(_) => allowed = asked,
                Err(status) if is_verdict(&status) => (refused, verdict) = (asked, Some(status)),
                Err(status) => return status,
            }
            if allowed + 1 >= refused {
                let place = needed.get(allowed).map(|(place, _)| place.as_str()).unwrap_or_default();
                return Error::from(verdict.unwrap_or(refusal)).at(place).into();
            }
        }
    }
}

fn ask(organization: &NodeName, needed: &[(String, Requirement)]) -> Ask {
    needed.iter().fold(Ask::writing(organization.as_str()), |ask, (_, requirement)| ask.to(requirement.clone()))
}

/// Whether authz has looked at it, and said no.
fn is_verdict(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition)
}
