//! A small model, a world of it, and the service on it.

use std::time::Duration;

use api::{
    authz::v1::{check_service_client::CheckServiceClient, permit_service_client::PermitServiceClient},
    feed::v1::{Record as Message, feed_service_server::FeedServiceServer},
};
use chassis::{
    Identity, Server,
    config::{IdentityConfig, ServerConfig},
    identity::{Actor, Identification},
};
use client::token::Token;
use decision::{
    document::Document,
    name::UserName,
    record::{ModelRevision, Record, Timestamp},
    world::World,
};
use replica::{Clock, Replica, Settings, wire};
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt;

use super::feed::MemoryLedger;
use crate::Authz;

const MODEL: &str = r#"
model: sample
title: Sample
types:
  - { id: account, title: Account, attributes: [{ id: market, type: string, source: stored }] }
  - { id: campaign, title: Campaign, collection: campaigns, parents: [workspace, account],
      attributes: [{ id: live, type: bool, source: stored }, { id: budget, type: int, source: request }] }
components:
  - { id: campaigns, title: Campaigns }
  - { id: people, title: People }
permissions:
  - { id: campaigns.view, title: View, level: view, types: [campaign, account, workspace] }
  - { id: campaigns.update, title: Update, types: [campaign, account, workspace], implies: [campaigns.view] }
  - { id: campaigns.spend, title: Spend, types: [campaign] }
  - { id: people.assign, title: Assign, types: [organization, workspace, account] }
  - { id: people.admins, title: Assign admins, types: [organization] }
conditions:
  - { id: budget-below, title: small, expression: "resource.budget < params.most", attributes: [{ id: budget }], parameters: [{ id: most, type: int }] }
roles:
  - { id: owner, title: Owner, held_at: organization, seats: { least: 1, most: 2 }, exclusive: rank, assign_with: people.admins,
      grants: [{ everything: {}, components: { organization: edit, roles: edit, groups: edit, members: edit, partners: edit, workspaces: edit,
                 accounts: edit, access: edit, resources: edit, invitations: edit, ceilings: edit, audit: view } }] }
  - { id: standard, title: Standard, held_at: organization, exclusive: rank, assign_with: people.assign, grants: [{ permissions: [organization.get] }] }
  - { id: manager, title: Manager, held_at: account, assign_with: people.assign, contained: true,
      grants: [{ permissions: [campaigns.view, campaigns.update] },
               { permissions: [campaigns.spend], condition: { id: budget-below, params: { most: 100 } } }] }
custom_roles: { held_at: [account], define_with: people.assign, assign_with: people.assign }
membership: { organization_roles: [owner, standard], default: standard, on_grant: join, leave: true }
"#;

const WORLD: &str = r#"
users: [olga, mona, carl, pia, { id: sven, suspended: true }]
organizations:
  - id: acme
    model: sample
    kind: marketer
    workspaces: [{ id: emea }]
    accounts: [{ id: a1, workspace: emea }, { id: a2, paused: true }]
    members: [olga, mona]
    partnerships: [{ id: p1, partner: other, roles: [manager], accepted: true, expires_in_seconds: 7200 }]
    resources: [{ name: accounts/a1/campaigns/1, attributes: { live: true } }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: mona, role: standard }
      - { id: m1, principal: mona, role: manager, node: accounts/a1, expires_in_seconds: 3600 }
      - { id: p1, principal: pia, role: manager, node: accounts/a1, sponsor: partnerships/p1 }
  - id: customer
    parent: acme/workspaces/emea
    kind: marketer
  - id: other
    model: sample
    kind: marketer
    members: [carl, pia]
    bindings: [{ principal: carl, role: owner }]
"#;

/// What the clocks of these tests say.
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// The service, what it follows, and how to call it.
pub(super) struct Service {
    pub(super) ledger: MemoryLedger,
    /// Called directly, where no transport's clock may interfere.
    pub(super) authz: Authz,
    channel: Channel,
}

/// Starts it. Everything is loaded.
pub(super) async fn service() -> Service {
    let ledger = MemoryLedger::new();
    ledger.commit(&["roleModels/sample"], vec![wire::write(&Record::ModelRevision(model(1))).unwrap()]);
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    let records: Vec<Message> = world.records(NOW).unwrap().iter().map(|record| wire::write(record).unwrap()).collect();
    ledger.commit(&["organizations/acme", "organizations/other", "users/olga", "users/mona", "users/carl", "users/pia"], records);
    let feed = serve(|server| server.add_service(FeedServiceServer::new(ledger.clone())));
    let settings = Settings { first_pause: Duration::from_millis(1), ..Settings::named("services/authz") };
    let replica = Replica::start(feed, Clock::new(|| NOW), settings);
    replica.loaded().await;
    let authz = Authz::new(replica, crate::Settings { platform_actor: UserName::parse("users/platform").unwrap() });
    let channel = serve(|server| authz.add_to(server));
    Service { ledger, authz, channel }
}

pub(super) fn model(revision: u32) -> ModelRevision {
    let document: Document = serde_saphyr::from_str(MODEL).unwrap();
    assert_eq!(decision::validate::validate(&document), Vec::new());
    ModelRevision { model: "sample".into(), revision, document }
}

fn serve(add: impl FnOnce(Server) -> Server) -> Channel {
    let identification = Identification::new(&IdentityConfig::default());
    let (server, channel) = Server::in_memory(ServerConfig::default(), identification);
    let server = add(server);
    tokio::spawn(async move {
        server.bind().await.unwrap().serve(std::future::pending()).await;
    });
    channel
}

impl Service {
    pub(super) fn checks(&self) -> CheckServiceClient<Channel> {
        CheckServiceClient::new(self.channel.clone())
    }

    pub(super) fn permits(&self) -> PermitServiceClient<Channel> {
        PermitServiceClient::new(self.channel.clone())
    }
}

/// A call of a service, maybe on behalf of a user, with time enough.
pub(super) fn call<T>(caller: &str, actor: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(20));
    Identity { caller: caller.into(), actor: actor.map(|name| Actor { name: name.into() }) }.write(request.metadata_mut());
    request
}

pub(super) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

pub(super) fn token(text: &str) -> Token {
    Token::parse(text).unwrap()
}
