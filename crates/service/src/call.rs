//! A call: who asks, for whom, until when; of a write also how it is told apart from others.

use chassis::{Deadline, Identity, hash::body_hash, identity, page};
use ledger::WriteRequest;
use prost::Message;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{Service, fields::Fields, status::ledger_status};

/// Who asks for something.
#[derive(Clone, Debug)]
pub struct Call {
    identity: Identity,
    /// The user on whose behalf the call is made: `users/ann`.
    pub actor: String,
    /// `directory.v1.WorkspaceService/CreateWorkspace`.
    pub method: &'static str,
    /// When nobody waits any more.
    pub deadline: Deadline,
}

/// Who asks for a change.
#[derive(Clone, Debug)]
pub struct WriteCall {
    /// Who asks.
    pub call: Call,
    request_id: Option<Uuid>,
    body_hash: [u8; 32],
    validate_only: bool,
}

/// A request that changes something.
pub trait WriteMessage: Message + Clone {
    /// Its `request_id`.
    fn request_id(&self) -> &str;
    /// The same without it.
    fn without_request_id(&self) -> Self;
    /// Its `validate_only`.
    fn validate_only(&self) -> bool;
}

/// A request for a page of a list.
pub trait ListMessage: Message + Clone {
    /// Its `page_size`.
    fn page_size(&self) -> i32;
    /// Its `page_token`.
    fn page_token(&self) -> &str;
    /// The same without both: what the list is of.
    fn parameters(&self) -> Self;
}

/// Which part of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many.
    pub size: usize,
    /// After this position; from the beginning if none.
    pub after: Option<String>,
    binding: [u8; 32],
}

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;

impl Call {
    /// The same with another time to be done by: for one of the parts of a stream.
    #[must_use]
    pub fn within(&self, deadline: Deadline) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Reads who asks. UNAUTHENTICATED without an actor.
    pub fn reading<T>(request: &Request<T>, method: &'static str) -> Result<Self, Status> {
        let identity = identity::of(request)?.clone();
        let actor = identity.require_actor()?.name.clone();
        Ok(Self { identity, actor, method, deadline: Deadline::of(request) })
    }

    /// Reads who asks for a change; a malformed `request_id` is noted.
    pub fn writing<T: WriteMessage>(request: &Request<T>, method: &'static str, fields: &mut Fields) -> Result<WriteCall, Status> {
        let call = Self::reading(request, method)?;
        let message = request.get_ref();
        let request_id = match message.request_id() {
            "" => None,
            text => {
                let id = Uuid::try_parse(text).ok();
                if id.is_none() {
                    fields.wrong("request_id", "a UUID, for example `6f1c8c3e-9d0b-4e53-8d2a-6a3f0f6f4a10`");
                }
                id
            }
        };
        Ok(WriteCall { call, request_id, body_hash: body_hash(&message.without_request_id()), validate_only: message.validate_only() })
    }

    /// Reads which part of a list is asked for.
    pub fn page<T: ListMessage>(&self, message: &T, service: &Service, fields: &mut Fields) -> Result<Page, Status> {
        let size = match usize::try_from(message.page_size()) {
            Ok(0) => DEFAULT_PAGE_SIZE,
            Ok(size) if size <= MAX_PAGE_SIZE => size,
            _ => {
                fields.wrong("page_size", "1 to 1,000, or 0 for 100");
                DEFAULT_PAGE_SIZE
            }
        };
        let binding = page::binding(&self.identity, self.method, &message.parameters());
        let key = service.pages.decode(message.page_token(), &binding)?;
        Ok(Page { size, after: key.and_then(|key| key.into_iter().next()), binding })
    }
}

impl WriteCall {
    /// As the ledger wants it.
    pub fn request(&self) -> WriteRequest {
        let Call { identity, actor, method, deadline } = &self.call;
        WriteRequest {
            caller: identity.caller.clone(),
            actor: actor.clone(),
            method,
            request_id: self.request_id,
            body_hash: self.body_hash,
            validate_only: self.validate_only,
            deadline: deadline.instant(),
        }
    }

    /// Whether it only asks for the verdict.
    pub fn only_validates(&self) -> bool {
        self.validate_only
    }

    /// A write that is a part of a longer call. It has no request id: what it writes tells whether it was done.
    pub fn part_of(call: &Call, validate_only: bool) -> Self {
        Self { call: call.clone(), request_id: None, body_hash: [0; 32], validate_only }
    }

    /// Whether it may have been answered before.
    pub fn is_repeatable(&self) -> bool {
        self.request_id.is_some()
    }
}

impl Service {
    /// A place in what a call follows, as its caller and actor are told it: opaque, and useless to any other.
    pub fn cursor(&self, call: &Call, place: &str) -> String {
        self.pages.encode(&[place], &page::binding(&call.identity, call.method, &()))
    }

    /// The place of such a cursor. None: it is none of this caller and actor.
    pub fn place_of(&self, call: &Call, cursor: &str) -> Option<String> {
        self.pages.decode(cursor, &page::binding(&call.identity, call.method, &())).ok()?.and_then(|key| key.into_iter().next())
    }

    /// The token for going on after `last`; empty if the list ends there.
    pub fn next_page(&self, page: &Page, last: Option<&str>) -> String {
        last.map(|name| self.pages.encode(&[name], &page.binding)).unwrap_or_default()
    }

    /// The head, to be read after the rows: a check at least as fresh as it sees what they say.
    pub async fn head(&self) -> Result<String, Status> {
        Ok(self.ledger.head().await.map_err(ledger_status)?.to_string())
    }
}
