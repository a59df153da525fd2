//! Organizations: messages to values and back.

use api::directory::v1::{
    self as proto,
    organization::{Kind, State},
};
use decision::{
    name::{NodeName, RoleName, UserName},
    record::OrganizationKind,
};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind as Compared, Offered, Way},
};
use tonic::{Request, Status};

use crate::{
    organization::{Holder, Organization, OrganizationChange, OrganizationDraft, Place, Profile},
    store::organization::{ListedState, OrganizationFilter},
};

const MAX_NAME: usize = 200;
const MAX_WEBSITE: usize = 500;
const MAX_LOCATION: usize = 200;
const MAX_HOLDERS: usize = 20;

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "state", kind: Compared::Word(&["STATE_PROVISIONING", "STATE_ACTIVE", "STATE_SUSPENDED"]) },
        Field { name: "create_time", kind: Compared::Time },
    ],
    ways: &[
        Way { order: "name", by: &[], bounded: false },
        Way { order: "name", by: &["state"], bounded: false },
        Way { order: "create_time", by: &[], bounded: true },
    ],
};

/// An organization to be suspended, reactivated, deleted, undeleted or made another kind.
pub(crate) struct Target {
    pub(crate) name: NodeName,
    pub(crate) etag: Etag,
}

pub(crate) fn read_create(request: &Request<proto::CreateOrganizationRequest>) -> Result<(WriteCall, OrganizationDraft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/CreateOrganization", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.required("organization", message.organization.clone());
    let id = fields.id("organization_id", &message.organization_id);
    let profile = profile(&mut fields, &organization);
    let place = place(&mut fields, &organization);
    let kind = kind(&mut fields, "organization.kind", organization.kind);
    let holders = holders(&mut fields, &message.holders);
    let draft = NodeName::parse(&format!("organizations/{id}")).ok().zip(place).map(|(name, place)| OrganizationDraft {
        name,
        kind,
        profile,
        place,
        holders,
    });
    Ok((call, fields.finish(draft)?))
}

/// Reads a customer to be, of a workspace that is read elsewhere.
pub(crate) fn read_customer(
    fields: &mut Fields,
    id: &str,
    organization: Option<proto::Organization>,
    workspace: Option<&NodeName>,
) -> Option<OrganizationDraft> {
    let organization = fields.required("organization", organization);
    let id = fields.id("organization_id", id);
    let profile = profile(fields, &organization);
    let kind = kind(fields, "organization.kind", organization.kind);
    if !organization.parent.is_empty() && workspace.is_some_and(|workspace| workspace.as_str() != organization.parent) {
        fields.wrong("organization.parent", "the same as `parent`, or empty");
    }
    let name = NodeName::parse(&format!("organizations/{id}")).ok()?;
    Some(OrganizationDraft { name, kind, profile, place: Place::Customer { workspace: workspace?.clone() }, holders: Vec::new() })
}

fn profile(fields: &mut Fields, organization: &proto::Organization) -> Profile {
    Profile {
        display_name: fields.text("organization.display_name", &organization.display_name, MAX_NAME, true),
        website: website(fields, &organization.website),
        location: fields.text("organization.location", &organization.location, MAX_LOCATION, false),
    }
}

fn place(fields: &mut Fields, organization: &proto::Organization) -> Option<Place> {
    if !organization.parent.is_empty() {
        return fields.workspace("organization.parent", &organization.parent).map(|workspace| Place::Customer { workspace });
    }
    match organization.role_model.strip_prefix("roleModels/").filter(|id| decision::name::is_id(id)) {
        Some(model) => Some(Place::Root { model: model.to_owned() }),
        None => {
            fields.wrong(
                "organization.role_model",
                "a role model's name, for example `roleModels/ad-platform`; or give `organization.parent`",
            );
            None
        }
    }
}

fn kind(fields: &mut Fields, path: &str, kind: i32) -> OrganizationKind {
    match Kind::try_from(kind) {
        Ok(Kind::Unspecified | Kind::Marketer) => OrganizationKind::Marketer,
        Ok(Kind::Publisher) => OrganizationKind::Publisher,
        Ok(Kind::Mixed) => OrganizationKind::Mixed,
        Err(_) => {
            fields.wrong(path, "`KIND_MARKETER`, `KIND_PUBLISHER` or `KIND_MIXED`");
            OrganizationKind::Marketer
        }
    }
}

/// An http or https URL with a host. Nobody here opens it, so no more is asked of it.
fn website(fields: &mut Fields, url: &str) -> String {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    let is_plain = !url.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    let is_url = has_host && is_plain && url.chars().count() <= MAX_WEBSITE;
    if !url.is_empty() && !is_url {
        fields.wrong(
            "organization.website",
            format!("an http or https URL of at most {MAX_WEBSITE} characters, for example `https://acme.example`"),
        );
    }
    url.to_owned()
}

fn holders(fields: &mut Fields, holders: &[proto::InitialHolder]) -> Vec<Holder> {
    if holders.len() > MAX_HOLDERS {
        fields.wrong("holders", format!("at most {MAX_HOLDERS}"));
        return Vec::new();
    }
    let mut read: Vec<Holder> = Vec::with_capacity(holders.len());
    for (at, holder) in holders.iter().enumerate() {
        let user = fields.parse(&format!("holders[{at}].user"), &holder.user, UserName::parse);
        let role = fields.parse(&format!("holders[{at}].role"), &holder.role, RoleName::parse);
        let Some((user, role)) = user.zip(role) else { continue };
        let holder = Holder { user, role };
        if read.contains(&holder) {
            fields.wrong(format!("holders[{at}]"), "is there twice");
        }
        read.push(holder);
    }
    read
}

pub(crate) fn read_get(request: &Request<proto::GetOrganizationRequest>) -> Result<(Call, NodeName), Status> {
    let call = Call::reading(request, "directory.v1.OrganizationService/GetOrganization")?;
    let mut fields = Fields::default();
    let name = fields.organization("name", &request.get_ref().name);
    Ok((call, fields.finish(name)?))
}

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListOrganizationsRequest>,
) -> Result<(Call, Page, OrganizationFilter), Status> {
    let call = Call::reading(request, "directory.v1.OrganizationService/ListOrganizations")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let workspace = match message.parent.as_str() {
        "" => Some(None),
        parent => fields.workspace("parent", parent).map(Some),
    };
    let with_deleted = message.show_deleted;
    let query = fields.query_with_deleted(&LISTED, &message.filter, &message.order_by, with_deleted);
    let state = query.is("state").map(|state| match State::from_str_name(state) {
        Some(State::Provisioning) => ListedState::Provisioning,
        Some(State::Suspended) => ListedState::Suspended,
        Some(State::Active | State::Deleted | State::Unspecified) | None => ListedState::Active,
    });
    let filter = workspace.map(|workspace| OrganizationFilter { workspace, with_deleted, state, query });
    Ok((call, page, fields.finish(filter)?))
}

pub(crate) fn read_update(
    request: &Request<proto::UpdateOrganizationRequest>,
) -> Result<(WriteCall, NodeName, OrganizationChange, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/UpdateOrganization", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.required("organization", message.organization.clone());
    let name = fields.organization("organization.name", &organization.name);
    let changeable = [
        ("display_name", !organization.display_name.is_empty()),
        ("website", !organization.website.is_empty()),
        ("location", !organization.location.is_empty()),
    ];
    let mask = fields.mask(message.update_mask.as_ref(), &changeable);
    let change = OrganizationChange {
        display_name: mask
            .contains("display_name")
            .then(|| fields.text("organization.display_name", &organization.display_name, MAX_NAME, true)),
        website: mask.contains("website").then(|| website(&mut fields, &organization.website)),
        location: mask.contains("location").then(|| fields.text("organization.location", &organization.location, MAX_LOCATION, false)),
    };
    let expected = fields.etag("organization.etag", &organization.etag);
    Ok((call, fields.finish(name)?, change, expected))
}

/// The third is `force`.
pub(crate) fn read_delete(request: &Request<proto::DeleteOrganizationRequest>) -> Result<(WriteCall, Target, bool), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/DeleteOrganization", &mut fields)?;
    let message = request.get_ref();
    Ok((call, target(fields, &message.name, &message.etag)?, message.force))
}

pub(crate) fn read_suspend(request: &Request<proto::SuspendOrganizationRequest>) -> Result<(WriteCall, Target), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/SuspendOrganization", &mut fields)?;
    Ok((call, target(fields, &request.get_ref().name, &request.get_ref().etag)?))
}

pub(crate) fn read_reactivate(request: &Request<proto::ReactivateOrganizationRequest>) -> Result<(WriteCall, Target), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/ReactivateOrganization", &mut fields)?;
    Ok((call, target(fields, &request.get_ref().name, &request.get_ref().etag)?))
}

pub(crate) fn read_undelete(request: &Request<proto::UndeleteOrganizationRequest>) -> Result<(WriteCall, Target), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/UndeleteOrganization", &mut fields)?;
    Ok((call, target(fields, &request.get_ref().name, &request.get_ref().etag)?))
}

/// The third is the kind that it is to be of.
pub(crate) fn read_change_kind(
    request: &Request<proto::ChangeOrganizationKindRequest>,
) -> Result<(WriteCall, Target, OrganizationKind), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/ChangeOrganizationKind", &mut fields)?;
    let message = request.get_ref();
    let kind = new_kind(&mut fields, message.kind);
    Ok((call, target(fields, &message.name, &message.etag)?, kind))
}

/// The last is the kind that it would be of.
pub(crate) fn read_preview_kind(
    request: &Request<proto::PreviewOrganizationKindRequest>,
) -> Result<(Call, NodeName, OrganizationKind), Status> {
    let call = Call::reading(request, "directory.v1.OrganizationService/PreviewOrganizationKind")?;
    let mut fields = Fields::default();
    let kind = new_kind(&mut fields, request.get_ref().kind);
    let name = fields.organization("name", &request.get_ref().name);
    Ok((call, fields.finish(name)?, kind))
}

/// Required here: what is not said is nothing to change to.
fn new_kind(fields: &mut Fields, stated: i32) -> OrganizationKind {
    if stated == i32::from(Kind::Unspecified) {
        fields.wrong("kind", "`KIND_MARKETER`, `KIND_PUBLISHER` or `KIND_MIXED`");
    }
    kind(fields, "kind", stated)
}

fn target(mut fields: Fields, name: &str, expected: &str) -> Result<Target, Status> {
    let name = fields.organization("name", name);
    let etag = fields.etag("etag", expected);
    fields.finish(name.map(|name| Target { name, etag }))
}

/// Without its revision.
pub(crate) fn write(organization: &Organization) -> proto::Organization {
    proto::Organization {
        name: organization.name.to_string(),
        display_name: organization.profile.display_name.clone(),
        kind: match organization.kind {
            OrganizationKind::Marketer => Kind::Marketer,
            OrganizationKind::Publisher => Kind::Publisher,
            OrganizationKind::Mixed => Kind::Mixed,
        }
        .into(),
        website: organization.profile.website.clone(),
        location: organization.profile.location.clone(),
        parent: organization.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        role_model: organization.pinned.role_model(),
        role_model_revision: organization.pinned.revision,
        state: match organization {
            Organization { deleted: true, .. } => State::Deleted,
            Organization { suspended: true, .. } => State::Suspended,
            Organization { provisioning: true, .. } | Organization { awaiting_acceptance: true, .. } => State::Provisioning,
            _ => State::Active,
        }
        .into(),
        needs_owner: organization.needs_owner,
        create_time: timestamp(organization.create_time),
        update_time: timestamp(organization.update_time),
        etag: etag(organization.version),
        revision: String::new(),
        delete_time: organization.delete_time.and_then(timestamp),
        purge_time: organization.purge_time.and_then(timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_website_is_an_http_url_with_a_host() {
        let wrong = |url: &str| {
            let mut fields = Fields::default();
            website(&mut fields, url);
            fields.finish(Some(())).is_err()
        };
        for good in ["", "https://acme.example", "http://acme.example:8080/a?b#c"] {
            assert!(!wrong(good), "{good}");
        }
        for bad in ["acme.example", "ftp://acme.example", "https://", "https:///path", "https://a b", "javascript:alert(1)"] {
            assert!(wrong(bad), "{bad}");
        }
        assert!(wrong(&format!("https://{}", "a".repeat(500))));
    }

    #[test]
    fn a_root_needs_a_role_model_and_a_customer_a_workspace() {
        let place_of = |parent: &str, role_model: &str| {
            let organization = proto::Organization { parent: parent.into(), role_model: role_model.into(), ..Default::default() };
            place(&mut Fields::default(), &organization)
        };
        assert_eq!(place_of("", "roleModels/agency"), Some(Place::Root { model: "agency".into() }));
        assert!(matches!(place_of("organizations/agency/workspaces/north", ""), Some(Place::Customer { .. })));
        assert_eq!(place_of("", ""), None);
        assert_eq!(place_of("organizations/agency", "roleModels/agency"), None);
        assert_eq!(place_of("", "roleModels/agency/revisions/1"), None);
    }
}
