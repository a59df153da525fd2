//! Every refusal of the directory, and the status that it becomes.

use api::error::v1::Reason;
use chassis::{internal, refuse};
use ledger::StoreError;
use service::status::ledger_status;
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No such thing; said to those only who may see the place where it would be.
    #[error("`{name}` does not exist")]
    NotFound { name: String },
    /// The name is taken, or was once.
    #[error("`{name}` exists, or existed once; names are never used again, choose another")]
    AlreadyExists { name: String },
    /// The group has this member.
    #[error("`{edge}` is there: the group has this member already")]
    AlreadyIn { edge: String },
    /// The principal has this role at this node.
    #[error("`{principal}` holds this role there by `{binding}`; change that binding, or revoke it first")]
    AlreadyHeld { binding: String, principal: String },
    /// Another user has the e-mail address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// The thing has changed since its etag was read.
    #[error("`{name}` has changed since; read it again and pass its present `etag`")]
    EtagMismatch { name: String },
    /// The state of the thing does not allow it.
    #[error("`{name}` is {state}; {remedy}")]
    WrongState { name: String, state: &'static str, remedy: &'static str },
    /// Something is below.
    #[error("`{name}` still has something below it")]
    HasChildren { name: String, below: Vec<(&'static str, u64)>, forceable: bool },
    /// A required role would be left without an active, unexpiring, direct holder.
    #[error("`{organization}` must always have an active holder of `{role}` without an expiry; assign somebody else first")]
    RequiredRole { organization: String, role: String },
    /// No seat is left.
    #[error("all {limit} seats of `{role}` at `{node}` are taken, by holders or pending invitations; revoke one first")]
    SeatsTaken { role: String, node: String, limit: u32 },
    /// At most one of a set.
    #[error("`{user}` holds `{held}` at `{node}`, which excludes this role; change that binding instead")]
    RoleExclusive { user: String, held: String, node: String },
    /// A group in itself.
    #[error("`{member}` contains `{group}`; a group cannot contain itself")]
    GroupCycle { group: String, member: String },
    /// Not an active member, and nothing makes them one.
    #[error("`{user}` is not an active member of `{organization}`; make them a member first")]
    NotAMember { user: String, organization: String },
    /// The user is managed by an organization, and this is elsewhere.
    #[error("`{user}` is managed by an organization and can be used only there and below; `{organization}` is elsewhere")]
    Confined { user: String, organization: String },
    /// Another user has the identity.
    #[error("another user has this identity; unlink it there first")]
    IdentityTaken,
    /// An issuer that is not the tree's.
    #[error("`{issuer}` is not registered for this organization's tree; ask the platform to register it")]
    IssuerUnknown { issuer: String },
    /// There may be no more of these.
    #[error("`{name}` has {limit} {what}, and may have no more; take one away first")]
    LimitReached { name: String, what: &'static str, limit: u64 },
    /// Members stay.
    #[error("the role model of `{organization}` says that members stay; suspend the member instead")]
    MembersStay { organization: String },
    /// The trees' rules differ.
    #[error("`{name}` and `{workspace}` are not of one revision of one role model; pin both trees to the same first")]
    RoleModelMismatch { name: String, workspace: String },
    /// An owner must consent first.
    #[error("a holder of a required role of `{organization}` must consent first to its being moved to `{workspace}`")]
    ConsentMissing { organization: String, workspace: String },
    /// Nobody who can consent for an organization.
    #[error("only who holds a required role of `{organization}` directly and for good may do this")]
    NotAnOwner { organization: String },
    /// The sponsor does not allow the binding.
    #[error("`{sponsor}` does not allow this binding: {why}")]
    SponsorLimit { sponsor: String, why: &'static str },
    /// The role cannot be bound in this way.
    #[error("`{role}` cannot be bound in this way: {why}")]
    InvalidBinding { role: String, why: &'static str },
    /// The same is offered already. `told`: the actor may know by which invitation.
    #[error("an invitation of this address to this role there is pending; resend or revoke that one")]
    InvitationPending { name: String, inviter: String, told: bool },
    /// What was offered cannot be given any more. Why is not the invitee's business.
    #[error("what this invitation offers can no longer be given; ask whoever invited you for another")]
    InvitationVoid,
    /// No such invitation of the actor. The same words as authz's, so that it looks like any refusal.
    #[error("the actor may not do this, or it does not exist")]
    NotInvited,
    /// A field names something that is not there, or is no such thing.
    #[error("`{path}` is not right: {description}")]
    Field { path: &'static str, description: String },
    /// At this place of a request for several things: `requests[3].role_binding`.
    #[error("`{place}`: {cause}")]
    At { place: String, cause: Box<Error> },
    /// Refused by another service: passed on as it came.
    #[error("{}", .0.message())]
    Refused(Status),
    /// The permit does not say what it must. A fault of ours.
    #[error("the permit lacks {0}")]
    IncompletePermit(&'static str),
    /// The ledger did not write.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error.into())
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl Error {
    /// The same, said of a place in the request; empty: of none. What is said of a part of it stays so.
    pub(crate) fn at(self, place: &str) -> Self {
        match self {
            Self::At { .. } => self,
            cause if place.is_empty() => cause,
            cause => Self::At { place: place.to_owned(), cause: Box::new(cause) },
        }
    }

    /// No such thing.
    pub(crate) fn not_found(name: impl Into<String>) -> Self {
        Self::NotFound { name: name.into() }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { name } => refuse(Code::NotFound, Reason::NotFound, message).resource(kind(&name), name).status(),
            Error::AlreadyExists { name } => {
                refuse(Code::AlreadyExists, Reason::AlreadyExists, message).resource(kind(&name), name).status()
            }
            Error::AlreadyIn { edge } => refuse(Code::AlreadyExists, Reason::AlreadyExists, message).resource(kind(&edge), edge).status(),
            Error::AlreadyHeld { binding, principal: _ } => {
                refuse(Code::AlreadyExists, Reason::AlreadyExists, message).resource(kind(&binding), binding).status()
            }
            Error::EmailTaken => refuse(Code::AlreadyExists, Reason::AlreadyExists, message).field("user.email", "taken").status(),
            Error::EtagMismatch { name } => refuse(Code::Aborted, Reason::EtagMismatch, message).resource(kind(&name), name).status(),
            Error::WrongState { name, state, remedy } => refuse(Code::FailedPrecondition, Reason::WrongState, message)
                .metadata("state", state)
                .precondition("STATE", name, remedy)
                .status(),
            Error::HasChildren { name, below, forceable } => {
                let remedy = if forceable { "end it first, or pass `force`" } else { "end it first; `force` does not help" };
                below
                    .into_iter()
                    .fold(
                        refuse(Code::FailedPrecondition, Reason::HasChildren, format!("{message}; {remedy}")),
                        |refusal, (what, count)| {
                            refusal.metadata(what, count).precondition("CHILDREN", name.clone(), format!("{count} {what}"))
                        },
                    )
                    .status()
            }
            Error::RequiredRole { organization, role } => refuse(Code::FailedPrecondition, Reason::RequiredRole, message)
                .metadata("role", &role)
                .metadata("organization", &organization)
                .precondition("REQUIRED_ROLE", organization, role)
                .status(),
            Error::SeatsTaken { role, node, limit } => refuse(Code::ResourceExhausted, Reason::SeatsTaken, message)
                .metadata("role", &role)
                .metadata("node", node)
                .metadata("limit", limit)
                .quota(role, format!("{limit} seats"))
                .status(),
            Error::RoleExclusive { user, held, node } => refuse(Code::FailedPrecondition, Reason::RoleExclusive, message)
                .metadata("user", user)
                .metadata("role", &held)
                .precondition("ROLE_EXCLUSIVE", node, held)
                .status(),
            Error::GroupCycle { group, member } => {
                refuse(Code::FailedPrecondition, Reason::GroupCycle, message).precondition("GROUP_CYCLE", group, member).status()
            }
            Error::NotAMember { user, organization } => refuse(Code::FailedPrecondition, Reason::NotAMember, message)
                .metadata("user", &user)
                .precondition("MEMBER", organization, user)
                .status(),
            Error::Confined { user, organization } => refuse(Code::FailedPrecondition, Reason::UserConfined, message)
                .metadata("user", &user)
                .metadata("organization", &organization)
                .precondition("USER_CONFINED", organization, user)
                .status(),
            Error::IdentityTaken => {
                refuse(Code::AlreadyExists, Reason::AlreadyExists, message).field("identity.subject", "linked to another user").status()
            }
            Error::IssuerUnknown { issuer } => refuse(Code::FailedPrecondition, Reason::IssuerUnknown, message)
                .metadata("issuer", &issuer)
                .precondition("ISSUER", issuer, "not registered for the tree")
                .status(),
            Error::LimitReached { name, what, limit } => refuse(Code::ResourceExhausted, Reason::LimitReached, message)
                .metadata("limit", limit)
                .quota(name, format!("{limit} {what}"))
                .status(),
            Error::MembersStay { organization } => refuse(Code::FailedPrecondition, Reason::MembersStay, message)
                .precondition("MEMBERS_STAY", organization, "the role model's `membership.permanent`")
                .status(),
            Error::RoleModelMismatch { name, workspace } => {
                refuse(Code::FailedPrecondition, Reason::RoleModelMismatch, message).precondition("ROLE_MODEL", name, workspace).status()
            }
            Error::ConsentMissing { organization, workspace } => {
                refuse(Code::FailedPrecondition, Reason::ConsentMissing, message).precondition("CONSENT", organization, workspace).status()
            }
            Error::NotAnOwner { organization: _ } => refuse(Code::PermissionDenied, Reason::NotAllowed, message).status(),
            Error::SponsorLimit { sponsor, why } => {
                refuse(Code::FailedPrecondition, Reason::SponsorLimit, message).precondition("SPONSOR", sponsor, why).status()
            }
            Error::InvalidBinding { role, why } => {
                refuse(Code::InvalidArgument, Reason::InvalidBinding, message).metadata("role", role).field("role_binding", why).status()
            }
            Error::InvitationPending { name, inviter: _, told } => {
                let refusal = refuse(Code::AlreadyExists, Reason::AlreadyExists, message);
                if told { refusal.resource(kind(&name), name).status() } else { refusal.status() }
            }
            Error::InvitationVoid => refuse(Code::FailedPrecondition, Reason::InvitationVoid, message).status(),
            Error::NotInvited => refuse(Code::PermissionDenied, Reason::NotAllowed, message).status(),
            Error::Field { path, description } => {
                refuse(Code::InvalidArgument, Reason::InvalidField, message).field(path, description).status()
            }
            Error::At { place, cause } => placed(&place, Self::from(*cause), message),
            Error::Refused(status) => status,
            Error::IncompletePermit(what) => internal(format!("the permit lacks {what}")),
            Error::Ledger(error) => ledger_status(error),
        }
    }
}

/// A refusal that says of which part of the request it is: its fields are in that part.
fn placed(place: &str, status: Status, message: String) -> Status {
    let mut details = status.get_error_details();
    if let Some(info) = details.error_info().cloned() {
        let mut metadata = info.metadata;
        metadata.insert("at".to_owned(), place.to_owned());
        if let Some(index) = index_in(place) {
            metadata.insert("index".to_owned(), index.to_owned());
        }
        details.set_error_info(info.reason, info.domain, metadata);
    }
    if let Some(wrong) = details.bad_request().cloned() {
        let there = |mut one: FieldViolation| {
            one.field = match one.field.strip_prefix("role_binding") {
                Some(rest) => format!("{place}{rest}"),
                None => format!("{place}.{}", one.field),
            };
            one
        };
        details.set_bad_request(wrong.field_violations.into_iter().map(there).collect::<Vec<_>>());
    }
    Status::with_error_details(status.code(), message, details)
}

/// Of `requests[3].roles[0]` the `3`.
fn index_in(place: &str) -> Option<&str> {
    let (_, rest) = place.split_once('[')?;
    rest.split_once(']').map(|(index, _)| index)
}

/// The type of what a name is of, as `ResourceInfo` says it.
fn kind(name: &str) -> &'static str {
    let mut parts = name.split('/');
    match (parts.next(), parts.nth(1), parts.nth(1)) {
        (Some("users"), ..) => "tenantry/User",
        (Some("roleModels"), ..) => "tenantry/RoleModel",
        (_, None, _) => "tenantry/Organization",
        (_, Some("workspaces"), None) => "tenantry/Workspace",
        (_, Some("accounts"), None) => "tenantry/Account",
        (_, Some("groups"), None) => "tenantry/Group",
        (_, Some("members"), None) => "tenantry/Member",
        (_, Some("partnerships"), None) => "tenantry/Partnership",
        (_, Some("roleBindings"), None) => "tenantry/RoleBinding",
        (_, Some("invitations"), None) => "tenantry/Invitation",
        (_, Some("roles"), None) => "tenantry/Role",
        _ => "tenantry/Resource",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_it_is_of() {
        for (name, expected) in [
            ("users/ann", "tenantry/User"),
            ("organizations/acme", "tenantry/Organization"),
            ("organizations/acme/workspaces/emea", "tenantry/Workspace"),
            ("organizations/acme/workspaces/emea/campaigns/42", "tenantry/Resource"),
            ("organizations/acme/deals/1", "tenantry/Resource"),
            ("organizations/acme/groups/buyers", "tenantry/Group"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn children_are_counted_by_what_they_are() {
        let below = vec![("workspaces", 2), ("accounts", 3)];
        let status = Status::from(Error::HasChildren { name: "organizations/acme".into(), below, forceable: true });
        assert_eq!(status.code(), Code::FailedPrecondition);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.metadata["workspaces"].as_str(), info.metadata["accounts"].as_str()),
            ("HAS_CHILDREN", "2", "3")
        );
        assert_eq!(details.precondition_failure().unwrap().violations.len(), 2);
    }

    #[test]
    fn what_is_said_of_a_part_of_a_request_names_it_and_its_fields() {
        let field = |path| Error::Field { path, description: "a time in the future".into() };
        for (cause, expected) in [
            (field("role_binding.expire_time"), "requests[3].role_binding.expire_time"),
            (
                Error::Refused(refuse(Code::InvalidArgument, Reason::UnknownRole, "no").field("role", "no").status()),
                "requests[3].role_binding.role",
            ),
        ] {
            let status = Status::from(cause.at("requests[3].role_binding").at("requests[3]"));
            let details = status.get_error_details();
            let metadata = &details.error_info().unwrap().metadata;
            assert_eq!((metadata["at"].as_str(), metadata["index"].as_str()), ("requests[3].role_binding", "3"));
            assert_eq!(details.bad_request().unwrap().field_violations[0].field, expected);
            assert!(status.message().starts_with("`requests[3].role_binding`: "), "{}", status.message());
        }
        assert_eq!(index_in("parent"), None);
    }

    #[test]
    fn a_taken_seat_says_the_role_and_the_limit() {
        let status = Status::from(Error::SeatsTaken { role: "roleModels/m/roles/r".into(), node: "organizations/acme".into(), limit: 5 });
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.get_error_details().quota_failure().unwrap().violations[0].subject, "roleModels/m/roles/r");
        assert_eq!(status.get_error_details().error_info().unwrap().metadata["limit"], "5");
    }
}
