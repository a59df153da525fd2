//! The handlers of import and export: many rows in few commits, each as if it were a call of its own.

use std::{collections::HashMap, ops::Range, time::Duration};

use api::{
    directory::v1::{
        self as proto, ExportRequest, ExportResponse, ImportRequest, ImportResponse, account_service_server::AccountService,
        group_service_server::GroupService, import_request::Message, import_response::Outcome, import_service_server::ImportService,
        member_service_server::MemberService, organization_service_server::OrganizationService,
        role_binding_service_server::RoleBindingService, user_service_server::UserService, workspace_service_server::WorkspaceService,
    },
    error::v1::Reason,
};
use chassis::{Deadline, identity, refuse};
use client::guard::{self, Ask, join_group, permission, platform};
use decision::name::NodeName;
use service::{
    call::{Call, WriteCall},
    change::Change,
    fields::Fields,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};
use tonic_types::StatusExt;

use super::{account, workspace};
use crate::{
    Directory,
    assign::{self, Seat},
    feed, group,
    import::{Draft, Kind, Run, Same, runs},
    invariants::{membership_terms, role_terms},
    member,
    role_binding::RoleBinding,
    status::Error,
    store,
    user::{self, User},
    wire::import::{Importer, Single, read_row, write_outcome, write_refusal},
};

/// So many rows are applied together; authz takes 1,000 requirements at once, and an edge of a group has two.
const BATCH: usize = 500;
/// So long is waited for more rows once there is one.
const GATHER: Duration = Duration::from_millis(20);
/// Until when one commit must be done.
const PATIENCE: Duration = Duration::from_secs(30);
/// Answers that nobody has read yet.
const BUFFER: usize = 2 * BATCH;
/// Others may hold the tree for a moment.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

#[async_trait]
impl ImportService for Directory {
    type ImportStream = ReceiverStream<Result<ImportResponse, Status>>;

    async fn import(&self, request: Request<Streaming<ImportRequest>>) -> Result<Response<Self::ImportStream>, Status> {
        let call = Call::reading(&request, "directory.v1.ImportService/Import")?;
        let importer = Importer(identity::of(&request)?.clone());
        let mut requests = request.into_inner();
        let options = match requests.message().await?.and_then(|first| first.message) {
            Some(Message::Options(options)) => options,
            Some(Message::Row(_)) | None => return Fields::one("options", "the first request says how to import"),
        };
        let mut import = Import { directory: self.clone(), call, importer, validate_only: options.validate_only, promised: HashMap::new() };
        let (answers, receiver) = mpsc::channel(BUFFER);
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = import.run(&mut requests, &answers) => ended,
                // Nobody reads any more. What was being committed is there or not, as its answer would have said.
                () = answers.closed() => Ok(()),
            };
            if let Err(status) = ended {
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type ExportStream = ReceiverStream<Result<ExportResponse, Status>>;

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        self.begin_export(&request).await
    }
}

/// One import, as long as its stream.
struct Import {
    directory: Directory,
    call: Call,
    importer: Importer,
    validate_only: bool,
    /// Of a dry run: the names that would be there, with the numbers of their rows.
    promised: HashMap<String, u64>,
}

/// A row that could be read.
struct Item {
    number: u64,
    single: Single,
    draft: Draft,
}

/// What a row came to.
enum Verdict {
    Done,
    Unchanged,
    Refused(Status),
    Depends,
}

/// Why rows were not applied together.
enum Failure {
    /// This one was refused.
    At(usize, Status),
    /// It is not known which one.
    Some(Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Some(status)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Some(error.into())
    }
}

/// Whether it says nothing of the row: another time it may go.
fn is_passing(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted)
}

impl Import {
    async fn run(
        &mut self,
        requests: &mut Streaming<ImportRequest>,
        answers: &mpsc::Sender<Result<ImportResponse, Status>>,
    ) -> Result<(), Status> {
        while let Some(rows) = next_batch(requests).await? {
            for answer in self.apply(rows).await? {
                if answers.send(Ok(answer)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Applies a batch; the answers are in the order of the rows.
    async fn apply(&mut self, rows: Vec<proto::ImportRow>) -> Result<Vec<ImportResponse>, Status> {
        let mut answers = Vec::with_capacity(rows.len());
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let number = row.number;
            match read_row(&self.importer, row, self.validate_only) {
                Ok((single, draft)) => {
                    answers.push(None);
                    items.push(Some(Item { number, single, draft }));
                }
                Err(status) => {
                    answers.push(Some(write_refusal(number, "", &status)));
                    items.push(None);
                }
            }
        }
        let drafts = items.iter().enumerate().filter_map(|(at, item)| Some((at, &item.as_ref()?.draft)));
        for Run { kind, rows, organization } in runs(drafts) {
            let together: Vec<(usize, &Item)> = rows.iter().filter_map(|at| Some((*at, items.get(*at)?.as_ref()?))).collect();
            let verdicts = self.apply_run(kind, organization.as_ref(), &together.iter().map(|(_, item)| *item).collect::<Vec<_>>()).await?;
            for ((at, item), verdict) in together.into_iter().zip(verdicts) {
                let name = item.draft.name();
                let answer = match &verdict {
                    Verdict::Done => write_outcome(item.number, &name, Outcome::Done),
                    Verdict::Unchanged => write_outcome(item.number, &name, Outcome::Unchanged),
                    Verdict::Depends => write_outcome(item.number, &name, Outcome::Depends),
                    Verdict::Refused(status) => write_refusal(item.number, &name, status),
                };
                if self.validate_only && matches!(verdict, Verdict::Done | Verdict::Depends) {
                    self.promised.insert(name, item.number);
                }
                if let Some(place) = answers.get_mut(at) {
                    *place = Some(answer);
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Applies rows of one kind in one organization: together, or where one is refused those before it, it alone, and those after it.
    async fn apply_run(&self, kind: Kind, organization: Option<&NodeName>, items: &[&Item]) -> Result<Vec<Verdict>, Status> {
        let mut verdicts: Vec<Option<Verdict>> = items.iter().map(|item| self.depends(&item.draft).then_some(Verdict::Depends)).collect();
        let judged: Vec<usize> = (0..items.len()).filter(|at| verdicts.get(*at).is_some_and(Option::is_none)).collect();
        let items: Vec<&Item> = judged.iter().filter_map(|at| items.get(*at).copied()).collect();
        let mut todo: Vec<Range<usize>> = std::iter::once(0..items.len()).collect();
        let mut put = |at: usize, verdict: Verdict| {
            if let Some(place) = judged.get(at).and_then(|at| verdicts.get_mut(*at)) {
                *place = Some(verdict);
            }
        };
        while let Some(range) = todo.pop() {
            let Some(part) = items.get(range.clone()) else { continue };
            let together = match part {
                [] => continue,
                [item] => Err(self.retried(|| self.apply_alone(item)).await?),
                // An organization has a tree of its own, or its agency's; there are few.
                _ if kind == Kind::Organization => Ok(Err(Failure::Some(Status::unknown("one by one")))),
                _ => Ok(self.apply_together(organization, part).await),
            };
            match together {
                Err(verdict) => put(range.start, verdict),
                Ok(Ok(part)) => range.clone().zip(part).for_each(|(at, verdict)| put(at, verdict)),
                // What is in the way of all, or of none alone, shows where each is applied alone.
                Ok(Err(Failure::At(_, status) | Failure::Some(status))) if is_passing(&status) => {
                    sleep(PAUSE).await;
                    todo.extend(range.rev().map(|at| at..at + 1));
                }
                Ok(Err(Failure::At(index, _))) => {
                    let at = range.start + index;
                    todo.extend([at + 1..range.end, at..at + 1, range.start..at]);
                }
                Ok(Err(Failure::Some(_))) => {
                    let middle = range.start + range.len() / 2;
                    todo.extend([middle..range.end, range.start..middle]);
                }
            }
        }
        Ok(verdicts.into_iter().flatten().collect())
    }

    /// Of a dry run: whether a row needs what only an earlier row would bring.
    fn depends(&self, draft: &Draft) -> bool {
        self.validate_only && draft.needs().iter().any(|name| self.promised.contains_key(name))
    }

    /// A few attempts at what others may be in the way of.
    async fn retried<T, F: Future<Output = Result<T, Status>>>(&self, attempt: impl Fn() -> F) -> Result<T, Status> {
        for number in 1.. {
            match attempt().await {
                Err(status) if is_passing(&status) && number < ATTEMPTS => sleep(PAUSE * number).await,
                done => return done,
            }
        }
        Err(super::outrun())
    }

    fn part(&self) -> WriteCall {
        WriteCall::part_of(&self.call.within(Deadline::after(PATIENCE)), self.validate_only)
    }

    /// One commit under one permit, with everything that each single call would need.
    async fn apply_together(&self, organization: Option<&NodeName>, items: &[&Item]) -> Result<Vec<Verdict>, Failure> {
        let mut ask = Ask::default();
        for item in items {
            ask = self.needing(ask, organization, &item.draft);
        }
        let mut change = self.directory.service.open_part(&self.part(), ask).await?;
        let present = Present::of(&change, items).await?;
        let mut verdicts = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let verdict = match present.verdict(&change, &item.draft).await? {
                Some(verdict) => verdict,
                None => match create(&mut change, &item.draft, at).await {
                    Ok(()) => Verdict::Done,
                    Err(error) => return Err(Failure::At(at, error.into())),
                },
            };
            verdicts.push(verdict);
        }
        if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Done)) {
            change.commit().await?;
        }
        Ok(verdicts)
    }

    /// Adds what the single call of this row asks for.
    fn needing(&self, mut ask: Ask, organization: Option<&NodeName>, draft: &Draft) -> Ask {
        let organization = organization.map(NodeName::as_str).unwrap_or_default();
        if ask.trees.is_empty() && !organization.is_empty() {
            ask = ask.also_writing(organization);
        }
        let needed = match draft {
            // Of these none is applied together.
            Draft::Organization(_) => vec![platform()],
            Draft::User(draft) => {
                let record = feed::user(&User::new(draft.clone(), self.directory.service.now()));
                ask = ask.also_writing(draft.name.as_str()).given(record);
                // Rows name their users, and only the platform chooses names.
                vec![platform()]
            }
            Draft::Workspace { .. } => vec![permission("workspaces.create", organization)],
            Draft::Account(draft) => vec![permission("accounts.create", draft.parent().as_str())],
            Draft::Group { .. } => vec![permission("groups.create", organization)],
            Draft::Member(_) => vec![permission("members.create", organization)],
            // Its terms are found by its place.
            Draft::Binding { assigned, .. } => return ask.to(guard::assign(feed::assignment(assigned))),
            Draft::GroupMember(edge) => {
                vec![permission("groups.update", organization), join_group(edge.group.as_str(), edge.member_text())]
            }
        };
        for requirement in needed {
            if !ask.requirements.contains(&requirement) {
                ask = ask.to(requirement);
            }
        }
        ask
    }

    /// The single call.
    async fn apply_alone(&self, item: &Item) -> Result<Verdict, Status> {
        let directory = &self.directory;
        let deadline = Deadline::after(PATIENCE);
        let done = match item.single.clone() {
            Single::Organization(message) => directory.create_organization(self.importer.request(message, deadline)).await.map(drop),
            Single::Workspace(message) => directory.create_workspace(self.importer.request(message, deadline)).await.map(drop),
            Single::Account(message) => directory.create_account(self.importer.request(message, deadline)).await.map(drop),
            Single::User(message) => directory.create_user(self.importer.request(message, deadline)).await.map(drop),
            Single::Member(message) => directory.create_member(self.importer.request(message, deadline)).await.map(drop),
            Single::Group(message) => directory.create_group(self.importer.request(message, deadline)).await.map(drop),
            Single::GroupMember(message) => directory.add_group_member(self.importer.request(message, deadline)).await.map(drop),
            Single::Binding(message) => directory.create_role_binding(self.importer.request(message, deadline)).await.map(drop),
        };
        match done {
            Ok(()) => Ok(Verdict::Done),
            Err(status) if is_passing(&status) => Err(status),
            // Who is told this was entitled to the call.
            Err(status) if status.code() == Code::AlreadyExists => Ok(self.compare(&item.draft).await?.unwrap_or(Verdict::Refused(status))),
            Err(status) if is_not_a_member(&status) => self.take_in_with(&item.draft, status).await,
            Err(status) => Ok(Verdict::Refused(status)),
        }
    }

    /// What the row is about, as it is; none where that is not there.
    async fn compare(&self, draft: &Draft) -> Result<Option<Verdict>, Status> {
        let db = self.directory.service.ledger().reader();
        Ok(present_verdict(db, draft).await?)
    }

    /// Where granting does not take in, a member is taken in with the binding, in one commit, by who may do both.
    async fn take_in_with(&self, draft: &Draft, refusal: Status) -> Result<Verdict, Status> {
        let Draft::Binding { name, assigned, .. } = draft else { return Ok(Verdict::Refused(refusal)) };
        let (Some(user), None) = (assigned.user(), &assigned.sponsor) else { return Ok(Verdict::Refused(refusal)) };
        let organization = name.organization();
        let ask = Ask::writing(organization.as_str())
            .to(guard::assign(feed::assignment(assigned)))
            .to(permission("members.create", organization.as_str()));
        let mut change = match self.directory.service.open_part(&self.part(), ask).await {
            Ok(change) => change,
            Err(status) if is_passing(&status) => return Err(status),
            Err(_) => return Ok(Verdict::Refused(refusal)),
        };
        let membership =
            store::member::find(change.connection(), &assign::membership_of(&organization, user)?).await.map_err(Error::from)?;
        // One who is suspended is for those who may reactivate.
        if membership.is_some() {
            return Ok(Verdict::Refused(refusal));
        }
        let given = async {
            let terms = membership_terms(&change)?;
            let with_default = !assign::is_organization_role(&terms, &organization, assigned);
            assign::join(&mut change, &organization, user, &terms, with_default).await?;
            create(&mut change, draft, 0).await
        };
        match given.await {
            Ok(()) => change.commit().await.map(|()| Verdict::Done),
            Err(error) => match Status::from(error) {
                status if is_passing(&status) => Err(status),
                status => Ok(Verdict::Refused(status)),
            },
        }
    }
}

fn is_not_a_member(status: &Status) -> bool {
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    reason.as_deref() == Some(Reason::NotAMember.as_str_name().trim_start_matches("REASON_"))
}

/// What one row creates, by the function of its single call. `at` is the place of its requirement.
async fn create(change: &mut Change, draft: &Draft, at: usize) -> Result<(), Error> {
    match draft.clone() {
        // Needs a permit of its own.
        Draft::Organization(draft) => Err(Error::not_found(draft.name.as_str())),
        Draft::User(draft) => match draft.managed_by.clone() {
            None => user::create(change, draft).await.map(drop),
            Some(home) => user::create_managed(change, draft, &home).await.map(drop),
        },
        Draft::Workspace { name, display_name } => workspace::create(change, name, display_name).await.map(drop),
        Draft::Account(draft) => account::create(change, draft).await.map(drop),
        Draft::Group { name, display_name } => group::create(change, name, display_name).await.map(drop),
        Draft::Member(name) => member::take_in(change, &name, &[], 0).await.map(drop),
        Draft::GroupMember(edge) => group::add(change, &edge).await,
        Draft::Binding { name, assigned, .. } => {
            let terms = role_terms(change.terms(at))?;
            let binding = RoleBinding::new(name, assigned, change.now());
            assign::give(change, binding, &terms, Seat::Free).await.map(drop)
        }
    }
}

/// What is there of what some rows are about, where there are many of them.
struct Present {
    users: HashMap<String, User>,
    bindings: HashMap<String, RoleBinding>,
    members: HashMap<String, member::Member>,
}

impl Present {
    async fn of(change: &Change, items: &[&Item]) -> Result<Self, Error> {
        let db = change.connection();
        let (mut users, mut bindings, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match &item.draft {
                Draft::User(draft) => users.push(&draft.name),
                Draft::Binding { name, .. } => bindings.push(name),
                Draft::Member(name) => members.push(name),
                Draft::Organization(_) | Draft::Workspace { .. } | Draft::Account(_) | Draft::Group { .. } | Draft::GroupMember(_) => {}
            }
        }
        let mut present = Self { users: HashMap::new(), bindings: HashMap::new(), members: HashMap::new() };
        if !users.is_empty() {
            let found = store::user::find_all(db, users.into_iter()).await?;
            present.users = found.into_iter().map(|user| (user.name.to_string(), user)).collect();
        }
        if !bindings.is_empty() {
            let found = store::role_binding::find_all(db, bindings.into_iter()).await?;
            present.bindings = found.into_iter().map(|binding| (binding.name.to_string(), binding)).collect();
        }
        if !members.is_empty() {
            let found = store::member::find_all(db, members.into_iter()).await?;
            present.members = found.into_iter().map(|member| (member.name.to_string(), member)).collect();
        }
        Ok(present)
    }

    /// None where the row's thing is not there, as far as its name tells.
    async fn verdict(&self, change: &Change, draft: &Draft) -> Result<Option<Verdict>, Error> {
        Ok(match draft {
            Draft::User(draft) => self.users.get(draft.name.as_str()).map(|user| compared(draft.name.as_str(), draft.difference(user))),
            Draft::Binding { name, assigned, .. } => {
                self.bindings.get(name.as_str()).map(|binding| compared(name.as_str(), assigned.difference(binding)))
            }
            Draft::Member(name) => self.members.get(name.as_str()).map(|_| Verdict::Unchanged),
            Draft::Organization(_) | Draft::Workspace { .. } | Draft::Account(_) | Draft::Group { .. } | Draft::GroupMember(_) => {
                present_verdict(change.connection(), draft).await?
            }
        })
    }
}

/// What is there, against what a row says.
async fn present_verdict(db: &impl sea_orm::ConnectionTrait, draft: &Draft) -> Result<Option<Verdict>, Error> {
    let name = draft.name();
    let difference = match draft {
        Draft::User(draft) => store::user::find(db, &draft.name).await?.map(|user| draft.difference(&user)),
        Draft::Organization(draft) => store::organization::find(db, &draft.name).await?.map(|present| draft.difference(&present)),
        Draft::Workspace { name, display_name } => {
            store::workspace::find(db, name).await?.map(|workspace| display_name.as_str().difference(&workspace))
        }
        Draft::Account(draft) => store::account::find(db, &draft.name).await?.map(|account| draft.difference(&account)),
        Draft::Group { name, display_name } => store::group::find(db, name).await?.map(|group| display_name.as_str().difference(&group)),
        Draft::Member(name) => store::member::find(db, name).await?.map(|_| None),
        Draft::GroupMember(edge) => store::group::has_edge(db, edge).await?.then_some(None),
        Draft::Binding { name, assigned, named } => {
            let mut present = store::role_binding::find(db, name).await?;
            if present.is_none() && !named {
                let theirs = store::role_binding::of_principal_at(db, &assigned.principal, &assigned.node).await?;
                present = theirs.into_iter().find(|binding| binding.assigned.role == assigned.role);
            }
            present.map(|binding| assigned.difference(&binding))
        }
    };
    Ok(difference.map(|difference| compared(&name, difference)))
}

fn compared(name: &str, difference: Option<&'static str>) -> Verdict {
    let Some(field) = difference else { return Verdict::Unchanged };
    let message = format!("`{name}` exists and is otherwise in `{field}`; change it by a call of its own");
    Verdict::Refused(refuse(Code::AlreadyExists, Reason::AlreadyExists, message).field(field, "is otherwise").status())
}

/// The rows that have arrived, at least one; none at the end.
async fn next_batch(requests: &mut Streaming<ImportRequest>) -> Result<Option<Vec<proto::ImportRow>>, Status> {
    let mut rows = Vec::new();
    let Some(first) = requests.message().await? else { return Ok(None) };
    rows.push(row_of(first)?);
    let until = Instant::now() + GATHER;
    while rows.len() < BATCH {
        match timeout_at(until, requests.message()).await {
            Ok(Ok(Some(request))) => rows.push(row_of(request)?),
            // An end or a fault is met again by the next batch; these rows are applied first.
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    Ok(Some(rows))
}

fn row_of(request: ImportRequest) -> Result<proto::ImportRow, Status> {
    match request.message {
        Some(Message::Row(row)) => Ok(row),
        Some(Message::Options(_)) | None => Fields::one("row", "every request but the first has a row"),
    }
}
