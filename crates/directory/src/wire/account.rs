//! Accounts: messages to values and back.

use api::directory::v1::{self as proto, account::State};
use decision::name::NodeName;
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use crate::{
    account::{Account, AccountDraft},
    store::account::AccountFilter,
};

const MAX_NAME: usize = 200;

pub(crate) fn read_create(request: &Request<proto::CreateAccountRequest>) -> Result<(WriteCall, AccountDraft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/CreateAccount", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let id = fields.id("account_id", &message.account_id);
    let account = fields.required("account", message.account.clone());
    let display_name = fields.text("account.display_name", &account.display_name, MAX_NAME, true);
    let workspace = match account.workspace.as_str() {
        "" => None,
        text => fields.workspace("account.workspace", text),
    };
    if let (Some(organization), Some(workspace)) = (&organization, &workspace)
        && workspace.organization() != *organization
    {
        fields.wrong("account.workspace", format!("a workspace of `{organization}`"));
    }
    let name = organization.and_then(|organization| NodeName::parse(&format!("{organization}/accounts/{id}")).ok());
    let draft = name.map(|name| AccountDraft { name, workspace, display_name });
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_get(request: &Request<proto::GetAccountRequest>) -> Result<(Call, NodeName), Status> {
    let call = Call::reading(request, "directory.v1.AccountService/GetAccount")?;
    let mut fields = Fields::default();
    let name = fields.account("name", &request.get_ref().name);
    Ok((call, fields.finish(name)?))
}

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "workspace", kind: Kind::Name(|name| NodeName::parse(name).map(drop)) },
        Field { name: "state", kind: Kind::Word(&["STATE_ACTIVE", "STATE_PAUSED"]) },
        Field { name: "create_time", kind: Kind::Time },
    ],
    ways: &[
        Way { order: "name", by: &[], bounded: false },
        Way { order: "name", by: &["workspace"], bounded: false },
        Way { order: "name", by: &["state"], bounded: false },
        Way { order: "name", by: &["workspace", "state"], bounded: false },
        Way { order: "create_time", by: &[], bounded: true },
    ],
};

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListAccountsRequest>) -> Result<(Call, Page, AccountFilter), Status> {
    let call = Call::reading(request, "directory.v1.AccountService/ListAccounts")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    let with_deleted = message.show_deleted;
    let query = fields.query_with_deleted(&LISTED, &message.filter, &message.order_by, with_deleted);
    let workspace = query.is("workspace").and_then(|name| NodeName::parse(name).ok());
    let paused = query.is("state").map(|state| state == State::Paused.as_str_name());
    let filter = organization.map(|organization| AccountFilter { organization, with_deleted, workspace, paused, query });
    Ok((call, page, fields.finish(filter)?))
}

/// The third is the new display name, if there is one.
pub(crate) fn read_update(request: &Request<proto::UpdateAccountRequest>) -> Result<(WriteCall, NodeName, Option<String>, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/UpdateAccount", &mut fields)?;
    let message = request.get_ref();
    let account = fields.required("account", message.account.clone());
    let name = fields.account("account.name", &account.name);
    let mask = fields.mask(message.update_mask.as_ref(), &[("display_name", !account.display_name.is_empty())]);
    let display_name = mask.contains("display_name").then(|| fields.text("account.display_name", &account.display_name, MAX_NAME, true));
    let expected = fields.etag("account.etag", &account.etag);
    Ok((call, fields.finish(name)?, display_name, expected))
}

/// The last is `force`.
pub(crate) fn read_delete(request: &Request<proto::DeleteAccountRequest>) -> Result<(WriteCall, NodeName, Etag, bool), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/DeleteAccount", &mut fields)?;
    let message = request.get_ref();
    let (name, expected) = target(fields, &message.name, &message.etag)?;
    Ok((call, name, expected, message.force))
}

pub(crate) fn read_pause(request: &Request<proto::PauseAccountRequest>) -> Result<(WriteCall, NodeName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/PauseAccount", &mut fields)?;
    let (name, expected) = target(fields, &request.get_ref().name, &request.get_ref().etag)?;
    Ok((call, name, expected))
}

pub(crate) fn read_resume(request: &Request<proto::ResumeAccountRequest>) -> Result<(WriteCall, NodeName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/ResumeAccount", &mut fields)?;
    let (name, expected) = target(fields, &request.get_ref().name, &request.get_ref().etag)?;
    Ok((call, name, expected))
}

pub(crate) fn read_undelete(request: &Request<proto::UndeleteAccountRequest>) -> Result<(WriteCall, NodeName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/UndeleteAccount", &mut fields)?;
    let (name, expected) = target(fields, &request.get_ref().name, &request.get_ref().etag)?;
    Ok((call, name, expected))
}

fn target(mut fields: Fields, name: &str, expected: &str) -> Result<(NodeName, Etag), Status> {
    let name = fields.account("name", name);
    let expected = fields.etag("etag", expected);
    Ok((fields.finish(name)?, expected))
}

/// Without its revision.
pub(crate) fn write(account: &Account) -> proto::Account {
    proto::Account {
        name: account.name.to_string(),
        display_name: account.display_name.clone(),
        workspace: account.workspace.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: match (account.deleted, account.paused) {
            (true, _) => State::Deleted,
            (false, true) => State::Paused,
            (false, false) => State::Active,
        }
        .into(),
        create_time: timestamp(account.create_time),
        update_time: timestamp(account.update_time),
        etag: etag(account.version),
        revision: String::new(),
        delete_time: account.delete_time.and_then(timestamp),
        purge_time: account.purge_time.and_then(timestamp),
    }
}
