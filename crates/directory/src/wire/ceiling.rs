//! Ceilings: messages to values and back.

use api::directory::v1 as proto;
use decision::name::{NodeName, is_identifier};
use service::{
    call::{Call, WriteCall},
    fields::{Fields, etag},
};
use tonic::{Request, Status};

use crate::ceiling::{Ceiling, CeilingDraft};

const MAX_COMPONENTS: usize = 1000;

pub(crate) fn read_get(request: &Request<proto::GetCeilingRequest>) -> Result<(Call, NodeName), Status> {
    let call = Call::reading(request, "directory.v1.CeilingService/GetCeiling")?;
    let mut fields = Fields::default();
    let node = fields.container("node", &request.get_ref().node);
    Ok((call, fields.finish(node)?))
}

pub(crate) fn read_set(request: &Request<proto::SetCeilingRequest>) -> Result<(WriteCall, CeilingDraft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.CeilingService/SetCeiling", &mut fields)?;
    let message = request.get_ref();
    let ceiling = fields.required("ceiling", message.ceiling.clone());
    let node = fields.container("ceiling.node", &ceiling.node);
    if ceiling.components.len() > MAX_COMPONENTS {
        fields.wrong("ceiling.components", "at most 1,000");
    } else if !ceiling.components.iter().all(|component| is_identifier(component)) {
        fields.wrong("ceiling.components", "ids of components are `[a-z][a-z0-9_]{0,62}`");
    } else if !ceiling.set && !ceiling.components.is_empty() {
        fields.wrong("ceiling.set", "true, where components are given");
    }
    let etag = fields.etag("etag", &message.etag);
    let components = ceiling.set.then(|| ceiling.components.into_iter().collect());
    let draft = node.map(|node| CeilingDraft { node, components, etag });
    Ok((call, fields.finish(draft)?))
}

/// Without its revision.
pub(crate) fn write(ceiling: &Ceiling) -> proto::Ceiling {
    proto::Ceiling {
        node: ceiling.node.to_string(),
        set: ceiling.components.is_some(),
        components: ceiling.components.iter().flatten().cloned().collect(),
        etag: etag(ceiling.version),
        revision: String::new(),
    }
}
