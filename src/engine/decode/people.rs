//! One person, several accounts: who has which account, so that all of them share one baseline.
//!
//! Accounts are known by user id or principal name, listed in a file, or joined by rules on their names. What is
//! resolved takes the person's id as its user id and the organisation's as its tenant: everything behind the decoder —
//! partitioning, baselines, travel, risk, feedback — then sees one user. The account's own id is not lost: output
//! names the provider of each end, and the sign-in's id is the provider's.
//!
//! Pure and bounded: the list is read when the configuration is, and one look-up is a hash and a comparison.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Decoded, text};
use crate::engine::signin::{ID_LENGTH_MAX, Provider};

/// Accounts in one list. A longer list is refused.
pub const ACCOUNTS_MAX: usize = 2_000_000;

/// Problems of a list that are told one by one.
const ERRORS_MAX: usize = 20;

/// An account as a list names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// `None` = with any provider.
    pub provider: Option<Provider>,
    /// User id or principal name, lower case.
    pub name: Box<str>,
}

/// How accounts that no list has are joined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeopleRules {
    /// Accounts whose principal name is an e-mail address belong to the person of that address.
    pub by_email: bool,
    /// Domains, lower case → the one they stand for.
    pub domains: BTreeMap<String, String>,
    /// `name+tag@domain` is `name@domain`.
    pub ignore_tags: bool,
}

/// Who has which accounts. Its default knows nobody, and changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    /// The tenant of everybody who is resolved.
    organization: Box<str>,
    /// Tenants it is made of, lower case; empty = all.
    tenants: Vec<Box<str>>,
    accounts: HashMap<Account, Arc<str>, FixedState>,
    /// Ids of the persons of the list.
    persons: HashSet<Arc<str>, FixedState>,
    rules: PeopleRules,
    /// Of the list; 0 without one.
    hash: u64,
}

impl People {
    pub fn new(
        organization: &str,
        tenants: &[String],
        accounts: BTreeMap<Account, Box<str>>,
        rules: PeopleRules,
    ) -> People {
        let hash = hash_of(&accounts);
        let mut persons = HashSet::default();
        let mut person_of = |person: Box<str>| persons.get_or_insert_with(&*person, |id| Arc::from(id)).clone();
        let accounts = accounts.into_iter().map(|(account, person)| (account, person_of(person))).collect();
        People {
            organization: text::fold_id(Cow::Borrowed(organization)).into(),
            tenants: tenants.iter().map(|tenant| tenant.to_ascii_lowercase().into()).collect(),
            accounts,
            persons,
            rules,
            hash,
        }
    }

    /// Hash of the list's content; 0 without one.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Accounts listed.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether nothing is ever resolved.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && !self.rules.by_email
    }

    /// Whether nobody is resolved whose tenant is not named.
    pub fn needs_tenant(&self) -> bool {
        !self.is_empty() && !self.tenants.is_empty()
    }

    /// Puts it in the person's name where the account is somebody's.
    pub(super) fn resolve(&self, decoded: &mut Decoded<'_>) {
        match decoded {
            Decoded::SignIn(it) => {
                self.join(Some(it.provider), &mut it.tenant_id, &mut it.user_id, &it.user_principal_name);
            }
            Decoded::UpstreamFinding(it) => {
                self.join(Some(it.provider), &mut it.tenant_id, &mut it.user_id, &it.user_principal_name);
            }
            // An administrator may name the person or any account.
            Decoded::Feedback(it) => {
                self.join(it.provider, &mut it.tenant_id, &mut it.user_id, &it.user_principal_name);
            }
            Decoded::Skipped(_) => {}
        }
    }

    /// Puts the ids of the person and of the organisation in place of an account's, where it is somebody's; without a
    /// provider as [`Self::resolve`] does for feedback. Costs one allocation for each id of a sign-in that is somebody's,
    /// and one to compare it.
    pub fn join(
        &self,
        provider: Option<Provider>,
        tenant_id: &mut Cow<'_, str>,
        user_id: &mut Cow<'_, str>,
        principal: &str,
    ) {
        let belongs = self.tenants.is_empty()
            || **tenant_id == *self.organization
            || self.tenants.iter().any(|tenant| tenant_id.eq_ignore_ascii_case(tenant));
        if self.is_empty() || !belongs {
            return;
        }
        let listed = self.listed(provider, user_id).or_else(|| self.listed(provider, principal));
        let person = match listed {
            Listed::Person(person) => person.into(),
            Listed::Several => return,
            Listed::Nobody => {
                let named = if principal.is_empty() { &**user_id } else { principal };
                let Some(address) = self.by_rule(named) else { return };
                // The person of an address may be listed, too.
                match self.listed(provider, &address) {
                    Listed::Person(person) => person.into(),
                    Listed::Several => return,
                    Listed::Nobody => address,
                }
            }
        };
        *user_id = Cow::Owned(person);
        *tenant_id = Cow::Owned(self.organization.to_string());
    }

    /// Whose account it is. Where the provider is not known, the name may also be a person's own; it tells who where all
    /// that it can be is one person.
    fn listed(&self, provider: Option<Provider>, name: &str) -> Listed<'_> {
        if name.is_empty() || self.accounts.is_empty() {
            return Listed::Nobody;
        }
        let mut account = Account { provider, name: name.to_lowercase().into() };
        let mut of = |provider| {
            account.provider = provider;
            self.accounts.get(&account).map(|person| &**person)
        };
        if provider.is_some() {
            return of(provider).or_else(|| of(None)).map_or(Listed::Nobody, Listed::Person);
        }
        let own = self.persons.get(&*text::fold_id(Cow::Borrowed(name))).map(|person| &**person);
        let providers = Provider::ALL.into_iter().map(Some).chain([None]);
        let mut persons = own.into_iter().chain(providers.filter_map(of));
        match persons.next() {
            None => Listed::Nobody,
            Some(first) if persons.all(|person| person == first) => Listed::Person(first),
            Some(_) => Listed::Several,
        }
    }

    /// The address that stands for the person, by the rules.
    fn by_rule(&self, name: &str) -> Option<String> {
        if !self.rules.by_email {
            return None;
        }
        let (local, domain) = name.rsplit_once('@')?;
        if local.is_empty() || !domain.contains('.') {
            return None;
        }
        let domain = domain.to_lowercase();
        let domain = self.rules.domains.get(&domain).unwrap_or(&domain);
        let local = if self.rules.ignore_tags { local.split('+').next().unwrap_or(local) } else { local };
        Some(format!("{}@{domain}", local.to_lowercase()))
    }
}

/// Whose a name is, by the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed<'p> {
    Nobody,
    Person(&'p str),
    Several,
}

impl Listed<'_> {
    /// This person, or else what another name of the same says.
    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match (self, other) {
            (Listed::Person(_), _) => self,
            (Listed::Nobody, other) => other(),
            (Listed::Several, other) => match other() {
                person @ Listed::Person(_) => person,
                _ => Listed::Several,
            },
        }
    }
}

fn hash_of(accounts: &BTreeMap<Account, Box<str>>) -> u64 {
    if accounts.is_empty() {
        return 0;
    }
    let mut hash = Xxh3Default::new();
    for (Account { provider, name }, person) in accounts {
        hash.update(format!("{provider:?}\0{name}\0{person}\n").as_bytes());
    }
    hash.digest()
}

/// What is wrong with a list, line by line; of many problems the first ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleError(Vec<String>);

impl fmt::Display for PeopleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for PeopleError {}

/// Reads a list: CSV with the header `person,account` or `person,provider,account`; an empty provider is any. Every
/// account is one line; the person's own id needs none.
///
/// # Errors
/// Every line that is not of that form, and accounts of two persons.
pub fn parse_people(csv: &[u8]) -> Result<BTreeMap<Account, Box<str>>, PeopleError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let header = reader.headers().map_err(|error| PeopleError(vec![error.to_string()]))?.clone();
    let column = |name: &str| header.iter().position(|found| found.eq_ignore_ascii_case(name));
    let (Some(person), Some(account)) = (column("person"), column("account")) else {
        return Err(PeopleError(vec![
            "line 1: the header must name the columns `person` and `account`".to_owned(),
        ]));
    };
    let provider = column("provider");
    let mut accounts = BTreeMap::new();
    let mut errors = Vec::new();
    for row in reader.records() {
        let put = row.map_err(|error| error.to_string()).and_then(|row| {
            let line = row.position().map_or(0, csv::Position::line);
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let provider = provider.map(cell).unwrap_or_default();
            put(&mut accounts, cell(person), provider, cell(account)).map_err(|why| format!("line {line}: {why}"))
        });
        errors.extend(put.err());
        if errors.len() >= ERRORS_MAX || accounts.len() > ACCOUNTS_MAX {
            break;
        }
    }
    if accounts.len() > ACCOUNTS_MAX {
        errors.push(format!("more than {ACCOUNTS_MAX} accounts"));
    }
    if errors.is_empty() { Ok(accounts) } else { Err(PeopleError(errors)) }
}

fn put(
    accounts: &mut BTreeMap<Account, Box<str>>,
    person: &str,
    provider: &str,
    account: &str,
) -> Result<(), String> {
    for (name, text) in [("person", person), ("account", account)] {
        if text.is_empty() || text.len() > ID_LENGTH_MAX || text.chars().any(char::is_control) {
            return Err(format!("`{name}` must have 1 to {ID_LENGTH_MAX} bytes without control characters"));
        }
    }
    let known = Provider::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(provider));
    if known.is_none() && !provider.is_empty() {
        let names = Provider::ALL.map(Provider::name).join(", ");
        return Err(format!("`{provider}` is no provider; allowed: {names}"));
    }
    let account = Account { provider: known, name: account.to_lowercase().into() };
    match accounts.get(&account) {
        Some(other) if !other.eq_ignore_ascii_case(person) => {
            Err(format!("account `{}` is listed for `{other}` and `{person}`", account.name))
        }
        _ => {
            // As ids are folded everywhere: a person written to a topic reads back the same.
            accounts.insert(account, text::fold_id(Cow::Borrowed(person)).into());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decode::draft::blank;
    use crate::engine::signin::{EventTime, Feedback, FeedbackAction};

    fn resolved(
        people: &People,
        provider: Provider,
        tenant: &'static str,
        id: &'static str,
        name: &'static str,
    ) -> String {
        let mut sign_in = blank(provider, EventTime::from_seconds(0));
        sign_in.tenant_id = tenant.into();
        sign_in.user_id = id.into();
        sign_in.user_principal_name = name.into();
        let mut decoded = Decoded::SignIn(sign_in);
        people.resolve(&mut decoded);
        match decoded {
            Decoded::SignIn(it) => format!("{}/{}", it.tenant_id, it.user_id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn accounts_of_a_list_are_one_person() {
        let list =
            "person,provider,account\nE17,okta,00u1\nE17,,alice@old.example\nE17,aws,Alice\nE18,okta,00u2\n";
        let people = People::new("acme", &[], parse_people(list.as_bytes()).unwrap(), PeopleRules::default());
        let of = |provider, id, name| resolved(&people, provider, "t", id, name);
        assert_eq!(of(Provider::Okta, "00u1", ""), "acme/E17");
        assert_eq!(of(Provider::Entra, "guid", "alice@old.example"), "acme/E17");
        assert_eq!(of(Provider::Aws, "alice", ""), "acme/E17");
        assert_eq!(of(Provider::Okta, "alice", ""), "t/alice", "that account is AWS's");
        assert_eq!(of(Provider::Okta, "00u2", "bob@acme.example"), "acme/E18");
        assert_eq!(of(Provider::Okta, "00u3", "carol@acme.example"), "t/00u3");
    }

    #[test]
    fn feedback_may_name_any_account() {
        let list = "person,provider,account\nE17,okta,00u1\nE17,,alice@acme.example\nE17,aws,ops\nE18,google,ops\nE18,aws,bob\n\
                    E17,,eve\nE18,aws,eve\nE17,aws,it@acme.example\nE18,okta,it@acme.example\nE18,okta,e17\n";
        let rules = PeopleRules { by_email: true, ..PeopleRules::default() };
        let people = People::new("acme", &[], parse_people(list.as_bytes()).unwrap(), rules);
        let of = |provider, id: &'static str, name: &'static str| {
            let mut decoded = Decoded::Feedback(Feedback {
                provider,
                tenant_id: "t".into(),
                user_id: id.into(),
                user_principal_name: name.into(),
                event_id: "f".into(),
                event_time: EventTime::from_seconds(0),
                action: FeedbackAction::Dismiss,
                request_id: "".into(),
            });
            people.resolve(&mut decoded);
            match decoded {
                Decoded::Feedback(it) => format!("{}/{}", it.tenant_id, it.user_id),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(of(None, "00u1", ""), "acme/E17", "an account of one provider, which is not named");
        assert_eq!(of(None, "bob", ""), "acme/E18");
        assert_eq!(of(None, "ops", ""), "t/ops", "two providers' accounts of two persons");
        assert_eq!(of(None, "ops", "alice@acme.example"), "acme/E17", "the other name tells whose");
        assert_eq!(of(None, "eve", ""), "t/eve", "of any provider, but not of AWS");
        assert_eq!(of(None, "it@acme.example", ""), "t/it@acme.example", "no rule decides between two persons");
        assert_eq!(of(None, "E18", ""), "acme/E18", "the person");
        assert_eq!(of(None, "E17", ""), "t/E17", "a person, and the account of another");
        assert_eq!(of(Some(Provider::Entra), "E18", ""), "t/E18", "an account of that name, which nobody has");
        assert_eq!(of(Some(Provider::Google), "ops", ""), "acme/E18");
        assert_eq!(of(Some(Provider::Entra), "guid", "alice@acme.example"), "acme/E17", "by its principal name");
        assert_eq!(of(Some(Provider::Entra), "bob", ""), "t/bob", "that account is AWS's");
    }

    #[test]
    fn rules_join_what_no_list_has() {
        let domains = [("acme.onmicrosoft.example".to_owned(), "acme.example".to_owned())];
        let rules = PeopleRules { by_email: true, domains: domains.into(), ignore_tags: true };
        let list = parse_people(b"person,account\nE17,alice@acme.example\n").unwrap();
        let people = People::new("acme", &["T1".to_owned()], list, rules);
        let of = |tenant, name| resolved(&people, Provider::Entra, tenant, "guid", name);
        assert_eq!(of("t1", "bob+admin@acme.onmicrosoft.example"), "acme/bob@acme.example");
        assert_eq!(of("t1", "alice+x@ACME.example"), "acme/E17");
        assert_eq!(of("t2", "bob@acme.example"), "t2/guid", "not of the organisation");
        assert_eq!(of("t1", "svc-backup"), "t1/guid");
        assert_eq!(of("t1", "@acme.example"), "t1/guid");
    }

    #[test]
    fn a_list_tells_every_problem() {
        let list = "person,provider,account\n,okta,a\nE1,oktta,b\nE1,,c\nE2,,C\n";
        let told = parse_people(list.as_bytes()).unwrap_err().to_string();
        for part in [
            "line 2: `person`",
            "line 3: `oktta` is no provider",
            "line 5: account `c` is listed for `E1` and `E2`",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(parse_people(b"who,what\n").unwrap_err().to_string().contains("header"));
    }
}
