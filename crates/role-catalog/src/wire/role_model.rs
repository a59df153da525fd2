//! Role models: messages to values and back.

use api::rolecatalog::v1::{self as proto, push_role_model_request::Source as SourceMessage};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Fields, timestamp},
};
use tonic::{Request, Status};

use super::write_document;
use crate::{
    document::{MAX_YAML_BYTES, Source},
    role_model::{Heading, Revision, RoleModelName},
    status::Error,
};

/// The method by which revisions are added, in the audit trail.
pub(crate) const PUSH: &str = "rolecatalog.v1.RoleModelService/PushRoleModel";

pub(crate) fn read_push(request: &Request<proto::PushRoleModelRequest>) -> Result<(WriteCall, Source), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, PUSH, &mut fields)?;
    let source = match &request.get_ref().source {
        Some(SourceMessage::Yaml(text)) => {
            if text.len() > MAX_YAML_BYTES {
                fields.wrong("yaml", "at most 1 MiB");
            }
            Some(Source::Yaml(text.clone()))
        }
        Some(SourceMessage::Document(message)) => Some(Source::Message(Box::new(message.clone()))),
        None => {
            fields.wrong("yaml", "required: the document, here or in `document`");
            None
        }
    };
    Ok((call, fields.finish(source)?))
}

/// The revision; 0: the latest.
pub(crate) fn read_get(request: &Request<proto::GetRoleModelRequest>) -> Result<(Call, RoleModelName, u32), Status> {
    let call = Call::reading(request, "rolecatalog.v1.RoleModelService/GetRoleModel")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, RoleModelName::parse);
    Ok((call, fields.finish(name)?, request.get_ref().model_revision))
}

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListRoleModelsRequest>) -> Result<(Call, Page), Status> {
    let call = Call::reading(request, "rolecatalog.v1.RoleModelService/ListRoleModels")?;
    let mut fields = Fields::default();
    let page = call.page(request.get_ref(), service, &mut fields)?;
    Ok((call, fields.finish(Some(page))?))
}

pub(crate) fn write(revision: &Revision) -> Result<proto::RoleModel, Error> {
    Ok(proto::RoleModel {
        name: revision.name().to_string(),
        model_revision: revision.number,
        title: revision.document.title.clone(),
        document: Some(write_document(&revision.document)?),
        create_time: timestamp(revision.create_time),
        revision: String::new(),
    })
}

pub(crate) fn write_heading(heading: &Heading) -> proto::RoleModel {
    proto::RoleModel {
        name: heading.name.to_string(),
        model_revision: heading.latest,
        title: heading.title.clone(),
        document: None,
        create_time: timestamp(heading.create_time),
        revision: String::new(),
    }
}
