//! The service of accounts.

use api::directory::v1::{
    self as proto, CreateAccountRequest, DeleteAccountRequest, GetAccountRequest, ListAccountsRequest, ListAccountsResponse,
    PauseAccountRequest, ResumeAccountRequest, UpdateAccountRequest, account_service_server::AccountService,
};
use client::guard::{Ask, permission};
use decision::name::NodeName;
use ledger::{Ledger, StoreError};
use service::{
    change::{Change, Opened},
    fields::Etag,
    listing::{Rows, Standing},
};
use tonic::{Request, Response, Status, async_trait};

use super::{nothing_below, open_below};
use crate::{
    Directory,
    account::{Account, AccountDraft},
    deletion, feed, invitation,
    status::Error,
    store::{self, account::AccountFilter},
    wire::{self, account::write},
};

#[async_trait]
impl AccountService for Directory {
    async fn create_account(&self, request: Request<CreateAccountRequest>) -> Result<Response<proto::Account>, Status> {
        let (call, draft) = wire::account::read_create(&request)?;
        let parent = draft.parent();
        let ask = Ask::writing(parent.as_str()).to(permission("accounts.create", parent.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let account = create(&mut change, draft).await?;
        change.answer(write(&account)).await
    }

    async fn get_account(&self, request: Request<GetAccountRequest>) -> Result<Response<proto::Account>, Status> {
        let (call, name) = wire::account::read_get(&request)?;
        self.service.permit(&call, Ask::writing(name.as_str()).to(permission("accounts.get", name.as_str()))).await?;
        let account = store::account::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let account = account.ok_or_else(|| Error::not_found(name.as_str()))?;
        Ok(Response::new(proto::Account { revision: self.service.head().await?, ..write(&account) }))
    }

    async fn list_accounts(&self, request: Request<ListAccountsRequest>) -> Result<Response<ListAccountsResponse>, Status> {
        let (call, page, filter) = wire::account::read_list(&self.service, &request)?;
        let organization = filter.organization.as_str();
        let standing =
            Standing::of(self.service.permit(&call, Ask::writing(organization).to(permission("organization.get", organization))).await)?;
        let listed = self.service.list_permitted(&call, &page, "accounts.get", standing, &filter).await?;
        let accounts = listed.rows.iter().map(|row| proto::Account { revision: listed.revision.clone(), ..write(row) }).collect();
        Ok(Response::new(ListAccountsResponse { accounts, next_page_token: listed.next_page_token, revision: listed.revision }))
    }

    async fn update_account(&self, request: Request<UpdateAccountRequest>) -> Result<Response<proto::Account>, Status> {
        let (call, name, display_name, etag) = wire::account::read_update(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("accounts.update", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.renamed(display_name, change.now());
        store::account::update(change.connection(), &after).await.map_err(Error::from)?;
        change.audit("accounts.update", name.as_str(), Some(before.audited()), Some(after.audited()));
        change.answer(write(&after)).await
    }

    async fn delete_account(&self, request: Request<DeleteAccountRequest>) -> Result<Response<proto::Account>, Status> {
        let (call, name, etag, force) = wire::account::read_delete(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("accounts.delete", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        nothing_below(&change, &name, force).await?;
        invitation::end_at_or_below(&mut change, &name).await?;
        let after = before.ended(change.now(), change.now() + self.retention);
        deletion::keep(&change, &after.name, after.purge_time).await?;
        replace(change, "accounts.delete", &before, &after).await
    }

    async fn pause_account(&self, request: Request<PauseAccountRequest>) -> Result<Response<proto::Account>, Status> {
        let (call, name, etag) = wire::account::read_pause(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("accounts.pause", name.as_str()));
        let change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.paused(change.now())?;
        replace(change, "accounts.pause", &before, &after).await
    }

    async fn resume_account(&self, request: Request<ResumeAccountRequest>) -> Result<Response<proto::Account>, Status> {
        let (call, name, etag) = wire::account::read_resume(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("accounts.pause", name.as_str()));
        let change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.resumed(change.now())?;
        replace(change, "accounts.resume", &before, &after).await
    }

    async fn move_account(&self, request: Request<proto::MoveAccountRequest>) -> Result<Response<proto::Account>, Status> {
        super::moves::move_account(self, request).await
    }

    async fn preview_move_account(
        &self,
        request: Request<proto::PreviewMoveAccountRequest>,
    ) -> Result<Response<proto::PreviewMoveAccountResponse>, Status> {
        super::moves::preview_account(self, request).await
    }

    async fn undelete_account(&self, request: Request<proto::UndeleteAccountRequest>) -> Result<Response<proto::Account>, Status> {
        super::undelete::account(self, request).await
    }
}

pub(super) async fn create(change: &mut Change, draft: AccountDraft) -> Result<Account, Error> {
    open_below(change, &draft.parent()).await?;
    if store::account::find(change.connection(), &draft.name).await?.is_some() {
        return Err(Error::AlreadyExists { name: draft.name.to_string() });
    }
    let account = Account::new(draft, change.now());
    store::account::insert(change.connection(), &account).await?;
    change.put(feed::account(&account));
    change.audit("accounts.create", account.name.as_str(), None, Some(account.audited()));
    Ok(account)
}

/// The account as it is, if it is as the client has seen it and can be changed.
async fn present(change: &Change, name: &NodeName, etag: Etag) -> Result<Account, Error> {
    let account = store::account::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    account.expect(etag)?;
    Ok(account)
}

/// Another state that decisions are made from.
async fn replace(mut change: Change, action: &str, before: &Account, after: &Account) -> Result<Response<proto::Account>, Status> {
    store::account::update(change.connection(), after).await.map_err(Error::from)?;
    change.put(feed::account(after));
    change.audit(action, after.name.as_str(), Some(before.audited()), Some(after.audited()));
    change.answer(write(after)).await
}

impl Rows for AccountFilter {
    type Row = Account;

    async fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> Result<Vec<Account>, StoreError> {
        store::account::page(ledger.reader(), self, after, limit).await
    }

    fn key(row: &Account) -> &str {
        row.name.as_str()
    }

    fn position(&self, row: &Account) -> String {
        Self::position(self, row)
    }
}
