//! The guard against an authz that is slow, silent or away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use api::authz::v1::{
    FilterPermittedRequest, FilterPermittedResponse, GetPermitRequest, GetTreeRulesRequest, ListAssignableRolesRequest,
    ListAssignableRolesResponse, ListPermittedRequest, ListPermittedResponse, ListStandingsRequest, ListStandingsResponse, Permit,
    PreviewAccessRequest, PreviewAccessResponse, TreeRules,
    permit_service_server::{PermitService, PermitServiceServer},
};
use client::guard::{Ask, Guard, known};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt};

/// Answers as the actor's name says.
#[derive(Clone, Default)]
struct Authz(Arc<Counts>);

struct Counts {
    calls: AtomicUsize,
    entered: Semaphore,
    leave: Semaphore,
    left: Semaphore,
}

impl Default for Counts {
    fn default() -> Self {
        let none = || Semaphore::new(0);
        Self { calls: AtomicUsize::new(0), entered: none(), leave: none(), left: none() }
    }
}

#[tonic::async_trait]
impl PermitService for Authz {
    async fn get_permit(&self, request: Request<GetPermitRequest>) -> Result<Response<Permit>, Status> {
        let before = self.0.calls.fetch_add(1, Ordering::SeqCst);
        match request.get_ref().actor.as_str() {
            "users/broken" => Err(Status::unknown("transport error")),
            "users/broken-once" if before == 0 => Err(Status::resource_exhausted("h2 protocol error: http2 error")),
            "users/refused" => {
                let details = ErrorDetails::with_error_info("OVERLOADED", "tenantry", std::collections::HashMap::new());
                Err(Status::with_error_details(Code::ResourceExhausted, "too many", details))
            }
            "users/silent" => std::future::pending().await,
            "users/slow" => {
                self.0.entered.add_permits(1);
                self.0.leave.acquire().await.unwrap().forget();
                self.0.left.add_permits(1);
                Ok(Response::new(Permit::default()))
            }
            _ => Ok(Response::new(Permit::default())),
        }
    }

    async fn filter_permitted(&self, _: Request<FilterPermittedRequest>) -> Result<Response<FilterPermittedResponse>, Status> {
        Ok(Response::new(FilterPermittedResponse::default()))
    }

    async fn list_permitted(&self, request: Request<ListPermittedRequest>) -> Result<Response<ListPermittedResponse>, Status> {
        // Two at a time, of those from `a` to `e`; every other part is empty.
        let ListPermittedRequest { after, limit, .. } = request.into_inner();
        if self.0.calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            return Ok(Response::new(ListPermittedResponse { nodes: Vec::new(), next_after: after.clone() + "-" }));
        }
        let mut nodes: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        nodes.retain(|name| name.as_str() > after.trim_end_matches('-'));
        let more = nodes.len() > 2.min(limit as usize);
        nodes.truncate(2.min(limit as usize));
        let next_after = nodes.last().filter(|_| more).cloned().unwrap_or_default();
        Ok(Response::new(ListPermittedResponse { nodes, next_after }))
    }

    async fn list_assignable_roles(&self, _: Request<ListAssignableRolesRequest>) -> Result<Response<ListAssignableRolesResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn preview_access(&self, _: Request<PreviewAccessRequest>) -> Result<Response<PreviewAccessResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn list_standings(&self, _: Request<ListStandingsRequest>) -> Result<Response<ListStandingsResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn get_tree_rules(&self, _: Request<GetTreeRulesRequest>) -> Result<Response<TreeRules>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

async fn start() -> (Authz, Guard) {
    let authz = Authz::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = PermitServiceServer::new(authz.clone());
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    (authz, Guard::new(at(address), "services/directory"))
}

fn at(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

async fn require(guard: &Guard, actor: &str, within: Duration) -> Result<(), Status> {
    guard.require(actor, Ask::default().to(known()), None, Instant::now() + within).await.map(|_| ())
}

const LONG: Duration = Duration::from_secs(60);

fn assert_not_reached(status: &Status) {
    let details = status.get_error_details();
    assert_eq!((status.code(), details.error_info().unwrap().reason.as_str()), (Code::Unavailable, "NOT_READY"));
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    assert_eq!(status.message(), "authz cannot be reached; try again");
}

#[tokio::test]
async fn a_call_whose_caller_goes_away_is_let_finish() {
    let (authz, guard) = start().await;
    let handler = tokio::spawn(async move { require(&guard, "users/slow", LONG).await });
    authz.0.entered.acquire().await.unwrap().forget();
    handler.abort();
    assert!(handler.await.unwrap_err().is_cancelled());
    authz.0.leave.add_permits(1);
    authz.0.left.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn a_fault_of_the_transport_is_tried_once_more_and_then_told_as_not_ready() {
    let (authz, guard) = start().await;
    require(&guard, "users/broken-once", LONG).await.unwrap();
    assert_eq!(authz.0.calls.swap(0, Ordering::SeqCst), 2);
    assert_not_reached(&require(&guard, "users/broken", LONG).await.unwrap_err());
    assert_eq!(authz.0.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_authz_that_is_not_there_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_not_reached(&require(&Guard::new(at(address), "services/directory"), "users/ann", LONG).await.unwrap_err());
}

#[tokio::test]
async fn what_authz_refuses_comes_as_it_was_said_and_is_asked_once() {
    let (authz, guard) = start().await;
    let status = require(&guard, "users/refused", LONG).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "too many"));
    assert_eq!(authz.0.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_authz_that_hangs_is_told_before_the_deadline_and_haste_is_not_its_fault() {
    let (_authz, guard) = start().await;
    let deadline = Duration::from_millis(1_600);
    let status = tokio::time::timeout(deadline, require(&guard, "users/silent", deadline)).await.unwrap().unwrap_err();
    assert_not_reached(&status);
    let hasty = require(&guard, "users/silent", Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(hasty.code(), Code::DeadlineExceeded);
    assert_eq!(hasty.get_details_error_info().unwrap().reason, "DEADLINE");
}

#[tokio::test]
async fn a_list_is_asked_for_until_it_is_as_long_as_wanted_or_ends() {
    let (_, guard) = start().await;
    let at = client::token::Token { epoch: uuid::Uuid::nil(), revision: 1, nonce: 1 };
    let list = |after: Option<&'static str>, limit| {
        let guard = guard.clone();
        async move {
            guard
                .list_permitted("users/ann", "a.b", "account", None, after, limit, at, Instant::now() + Duration::from_secs(10))
                .await
                .unwrap()
        }
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(list(None, 3).await, (names(&["a", "b", "c"]), true));
    assert_eq!(list(Some("c"), 3).await, (names(&["d", "e"]), false));
    assert_eq!(list(None, 10).await, (names(&["a", "b", "c", "d", "e"]), false));
}
