//! Registered resources: messages to values and back.

use std::collections::BTreeMap;

use api::{
    directory::v1::{self as proto, resource::State},
    document::{from_json, to_json},
};
use decision::name::{NodeName, is_collection, is_identifier};
use prost::Message;
use prost_types::{Value, value::Kind};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
};
use tonic::{Request, Status};

use crate::{
    resource::{Attributes, Resource},
    store::resource::ResourceFilter,
};

const MAX_ATTRIBUTES: usize = 50;
const MAX_ATTRIBUTE_BYTES: usize = 4096;

pub(crate) fn read_create(request: &Request<proto::CreateResourceRequest>) -> Result<(WriteCall, NodeName, Attributes), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.ResourceService/CreateResource", &mut fields)?;
    let resource = fields.required("resource", request.get_ref().resource.clone());
    let name = fields.leaf("resource.name", &resource.name);
    let attributes = attributes(&mut fields, &resource.attributes);
    Ok((call, fields.finish(name)?, attributes))
}

pub(crate) fn read_get(request: &Request<proto::GetResourceRequest>) -> Result<(Call, NodeName), Status> {
    let call = Call::reading(request, "directory.v1.ResourceService/GetResource")?;
    let mut fields = Fields::default();
    let name = fields.leaf("name", &request.get_ref().name);
    Ok((call, fields.finish(name)?))
}

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListResourcesRequest>) -> Result<(Call, Page, ResourceFilter), Status> {
    let call = Call::reading(request, "directory.v1.ResourceService/ListResources")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let collection = (!message.collection.is_empty()).then(|| message.collection.clone());
    if collection.as_ref().is_some_and(|collection| !is_collection(collection)) {
        fields.wrong("collection", "a collection, for example `campaigns`");
    }
    let container = fields.container("parent", &message.parent);
    let filter = container.map(|container| ResourceFilter { container, collection, with_deleted: message.show_deleted });
    Ok((call, page, fields.finish(filter)?))
}

pub(crate) fn read_update(request: &Request<proto::UpdateResourceRequest>) -> Result<(WriteCall, NodeName, Attributes, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.ResourceService/UpdateResource", &mut fields)?;
    let message = request.get_ref();
    let resource = fields.required("resource", message.resource.clone());
    let name = fields.leaf("resource.name", &resource.name);
    let attributes = attributes(&mut fields, &resource.attributes);
    let expected = match message.etag.as_str() {
        "" => fields.etag("resource.etag", &resource.etag),
        text => fields.etag("etag", text),
    };
    Ok((call, fields.finish(name)?, attributes, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeleteResourceRequest>) -> Result<(WriteCall, NodeName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.ResourceService/DeleteResource", &mut fields)?;
    let name = fields.leaf("name", &request.get_ref().name);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

/// Which attributes there are, and of which types, authz knows; here only that both stores can keep them.
fn attributes(fields: &mut Fields, values: &BTreeMap<String, Value>) -> Attributes {
    if values.len() > MAX_ATTRIBUTES {
        fields.wrong("resource.attributes", format!("at most {MAX_ATTRIBUTES}"));
        return Attributes::new();
    }
    let mut read = Attributes::new();
    for (id, value) in values {
        if !is_identifier(id) {
            fields.wrong("resource.attributes", "ids of attributes are `[a-z][a-z0-9_]{0,62}`");
        } else if value.encoded_len() > MAX_ATTRIBUTE_BYTES {
            fields.wrong(format!("resource.attributes.{id}"), "at most 4 KiB");
        } else if !is_plain(value) {
            fields.wrong(
                format!("resource.attributes.{id}"),
                "text without control characters, a boolean, a finite number, or a list of text",
            );
        } else {
            read.insert(id.clone(), to_json(value));
        }
    }
    read
}

/// The types that attributes can have in a role model: text, boolean, integer, a list of text.
fn is_plain(value: &Value) -> bool {
    let is_text = |text: &str| !text.chars().any(char::is_control);
    match &value.kind {
        Some(Kind::StringValue(text)) => is_text(text),
        Some(Kind::BoolValue(_)) => true,
        Some(Kind::NumberValue(number)) => number.is_finite(),
        Some(Kind::ListValue(list)) => {
            list.values.iter().all(|value| matches!(&value.kind, Some(Kind::StringValue(text)) if is_text(text)))
        }
        None | Some(Kind::NullValue(_) | Kind::StructValue(_)) => false,
    }
}

/// Without its revision.
pub(crate) fn write(resource: &Resource) -> proto::Resource {
    proto::Resource {
        name: resource.name.to_string(),
        attributes: resource.attributes.iter().map(|(id, value)| (id.clone(), from_json(value))).collect(),
        state: if resource.deleted { State::Deleted } else { State::Active }.into(),
        create_time: timestamp(resource.create_time),
        update_time: timestamp(resource.update_time),
        etag: etag(resource.version),
        revision: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_attribute_is_what_a_role_model_can_declare() {
        for good in [json!("live"), json!(true), json!(7), json!(["a", "b"]), json!([])] {
            assert!(is_plain(&from_json(&good)), "{good}");
        }
        for bad in [json!(null), json!({"a": 1}), json!([1]), json!([["a"]]), json!("a\u{0}b")] {
            assert!(!is_plain(&from_json(&bad)), "{bad}");
        }
        assert!(!is_plain(&Value { kind: Some(Kind::NumberValue(f64::NAN)) }));
        assert!(!is_plain(&Value { kind: None }));
    }
}
