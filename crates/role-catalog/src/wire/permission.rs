//! The permission catalogue: messages to values and back.

use api::rolecatalog::v1 as proto;
use service::{call::Call, fields::Fields};
use tonic::{Request, Status};

use super::Parent;
use crate::permission::Entry;

/// Of what, and whether also what is not for its kind.
pub(crate) fn read_list(request: &Request<proto::ListPermissionsRequest>) -> Result<(Call, Parent, bool), Status> {
    let call = Call::reading(request, "rolecatalog.v1.PermissionService/ListPermissions")?;
    let mut fields = Fields::default();
    let parent = fields.parse("parent", &request.get_ref().parent, Parent::parse);
    Ok((call, fields.finish(parent)?, request.get_ref().all_kinds))
}

/// As it is for an organization; `in_organization`: there is one.
pub(crate) fn write(entry: Entry, in_organization: bool) -> proto::Permission {
    proto::Permission {
        component: entry.component().to_owned(),
        id: entry.id,
        title: entry.title,
        level: entry.level.as_str().to_owned(),
        types: entry.types,
        kinds: entry.kinds,
        reserved: entry.reserved,
        nobody: entry.nobody,
        selectable: in_organization && entry.barred.is_none(),
        not_selectable_reason: entry.barred.map_or("", |barred| barred.as_str()).to_owned(),
        sections: entry.sections,
    }
}
