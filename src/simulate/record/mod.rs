//! Events as records: JSON in the forms a log pipeline delivers.
//!
//! Written by hand into a reused buffer: what never changes is copied from text prepared once (places, policies),
//! the rest is a few short writes. One file a form; what the forms share is here. Every record parses with any
//! JSON reader; nothing is written that a later reader could not have learnt from the event.

mod azure;
mod graph;
mod lean;
mod log_analytics;
mod parts;
pub mod text;

use super::World;
use super::dice::{Dice, IdKind, guid};
use super::event::{Event, Subject};
use super::network::Address;

/// The forms a record can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Form {
    /// Azure Monitor / Event Hub record with all the usual keys, 4.5 to 5 kB.
    EntraEventHub,
    /// The same form with only the keys a detection needs, about 600 bytes.
    EntraLean,
    /// Microsoft Graph `signIn` object.
    Graph,
    /// Log Analytics / Sentinel row.
    LogAnalytics,
    /// Farsign's own canonical sign-in.
    Farsign,
}

/// An application and the resource it asks for. The ids are the public ones of Microsoft's first-party services.
pub struct App {
    pub id: &'static str,
    pub name: &'static str,
    pub resource_id: &'static str,
    pub resource: &'static str,
    pub is_browser: bool,
    laptop_weight: f64,
    phone_weight: f64,
}

const GRAPH: (&str, &str) = ("00000003-0000-0000-c000-000000000000", "Microsoft Graph");
const EXCHANGE: (&str, &str) = ("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online");
const SHAREPOINT: (&str, &str) = ("00000003-0000-0ff1-ce00-000000000000", "Office 365 SharePoint Online");

const fn app(
    id: &'static str,
    name: &'static str,
    resource: (&'static str, &'static str),
    is_browser: bool,
    weights: [f64; 2],
) -> App {
    App {
        id,
        name,
        resource_id: resource.0,
        resource: resource.1,
        is_browser,
        laptop_weight: weights[0],
        phone_weight: weights[1],
    }
}

pub const APPS: [App; 10] = [
    app("1fec8e78-bce4-4aaf-ab1b-5451cc387264", "Microsoft Teams", GRAPH, false, [0.24, 0.3]),
    app("d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office", EXCHANGE, false, [0.2, 0.0]),
    app("27922004-5251-4030-b22d-91ecd9a37ea4", "Outlook Mobile", EXCHANGE, false, [0.0, 0.42]),
    app("ab9b8c07-8f02-4f72-87fa-80105867a763", "OneDrive SyncEngine", SHAREPOINT, false, [0.14, 0.06]),
    app("4765445b-32c6-49b0-83e6-1d93765276ca", "OfficeHome", GRAPH, true, [0.16, 0.08]),
    app("00000003-0000-0ff1-ce00-000000000000", "Office 365 SharePoint Online", SHAREPOINT, true, [0.12, 0.06]),
    app("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online", EXCHANGE, true, [0.08, 0.06]),
    app(
        "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
        "Azure Portal",
        ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "Windows Azure Service Management API"),
        true,
        [0.02, 0.0],
    ),
    app("6c9d1e52-7a05-4b6f-9d0e-5b1f3c2a7e41", "Payroll \"Ledger\"", GRAPH, true, [0.04, 0.02]),
    app("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Microsoft Azure CLI", GRAPH, false, [0.0, 0.0]),
];

/// What mail clients with basic authentication ask for.
pub const MAIL_APP: u8 = 6;
/// What scripted attackers like to ask for.
pub const SCRIPT_APP: u8 = 9;

pub fn pick_app(is_phone: bool, dice: &mut Dice) -> u8 {
    dice.weighted(APPS.iter().map(|app| if is_phone { app.phone_weight } else { app.laptop_weight })) as u8
}

pub fn is_browser_app(app: u8) -> bool {
    APPS[usize::from(app)].is_browser
}

const GIVEN_NAMES: [(&str, &str); 48] = [
    ("Amara", "amara"),
    ("Anders", "anders"),
    ("Beatriz", "beatriz"),
    ("Bo", "bo"),
    ("Camille", "camille"),
    ("Chidi", "chidi"),
    ("Dagny", "dagny"),
    ("Daniel", "daniel"),
    ("Elif", "elif"),
    ("Emeka", "emeka"),
    ("Farah", "farah"),
    ("Felix", "felix"),
    ("Greta", "greta"),
    ("Hana", "hana"),
    ("Henrik", "henrik"),
    ("Ines", "ines"),
    ("Ivo", "ivo"),
    ("Jana", "jana"),
    ("José", "jose"),
    ("Kaito", "kaito"),
    ("Karin", "karin"),
    ("Lars", "lars"),
    ("Leila", "leila"),
    ("Łucja", "lucja"),
    ("Mads", "mads"),
    ("Margaret \"Peg\"", "margaret"),
    ("Mei", "mei"),
    ("Nadia", "nadia"),
    ("Nils", "nils"),
    ("Olga", "olga"),
    ("Omar", "omar"),
    ("Paula", "paula"),
    ("Pietro", "pietro"),
    ("Quentin", "quentin"),
    ("Rania", "rania"),
    ("Rui", "rui"),
    ("Sana", "sana"),
    ("Søren", "soren"),
    ("Tariq", "tariq"),
    ("Thea", "thea"),
    ("Umar", "umar"),
    ("Vera", "vera"),
    ("Viktor", "viktor"),
    ("Wanda", "wanda"),
    ("Xin", "xin"),
    ("Yara", "yara"),
    ("Zofia", "zofia"),
    ("Zoë", "zoe"),
];
const FAMILY_NAMES: [(&str, &str); 53] = [
    ("Abara", "abara"),
    ("Aalto", "aalto"),
    ("Bakker", "bakker"),
    ("Berg", "berg"),
    ("Blanc", "blanc"),
    ("Castro", "castro"),
    ("Conti", "conti"),
    ("Dahl", "dahl"),
    ("Demir", "demir"),
    ("Dubois", "dubois"),
    ("Eze", "eze"),
    ("Falk", "falk"),
    ("Fischer", "fischer"),
    ("Fonseca", "fonseca"),
    ("Garcia", "garcia"),
    ("Haddad", "haddad"),
    ("Hansen", "hansen"),
    ("Horvat", "horvat"),
    ("Ito", "ito"),
    ("Jansen", "jansen"),
    ("Jørgensen", "jorgensen"),
    ("Kaya", "kaya"),
    ("Keller", "keller"),
    ("Kowalska", "kowalska"),
    ("Kumar", "kumar"),
    ("Lang", "lang"),
    ("Larsen", "larsen"),
    ("Li", "li"),
    ("Lopez", "lopez"),
    ("Marek", "marek"),
    ("Meyer", "meyer"),
    ("Moreau", "moreau"),
    ("Müller", "muller"),
    ("Nakamura", "nakamura"),
    ("Nasser", "nasser"),
    ("Novak", "novak"),
    ("O'Connor", "oconnor"),
    ("Okafor", "okafor"),
    ("Olsen", "olsen"),
    ("Park", "park"),
    ("Pereira", "pereira"),
    ("Petrov", "petrov"),
    ("Quist", "quist"),
    ("Ricci", "ricci"),
    ("Rossi", "rossi"),
    ("Sato", "sato"),
    ("Silva", "silva"),
    ("Smit", "smit"),
    ("Tanaka", "tanaka"),
    ("Ueda", "ueda"),
    ("Vogel", "vogel"),
    ("Weiss", "weiss"),
    ("Young", "young"),
];

/// A user's names: given and family name, number where the pair repeats.
#[derive(Clone, Copy)]
struct Name {
    given: (&'static str, &'static str),
    family: (&'static str, &'static str),
    number: u32,
}

impl Name {
    fn of(number: u32) -> Name {
        let pairs = (GIVEN_NAMES.len() * FAMILY_NAMES.len()) as u32;
        // A multiplier without common factor spreads neighbours over the names.
        let mixed = (u64::from(number % pairs) * 1_009 % u64::from(pairs)) as usize;
        Name {
            given: GIVEN_NAMES[mixed % GIVEN_NAMES.len()],
            family: FAMILY_NAMES[mixed / GIVEN_NAMES.len()],
            number: number / pairs,
        }
    }

    fn write_display(self, out: &mut Vec<u8>) {
        text::escaped(out, self.given.0);
        out.push(b' ');
        text::escaped(out, self.family.0);
    }

    fn write_principal(self, domain: &str, out: &mut Vec<u8>) {
        text::raw(out, self.given.1);
        out.push(b'.');
        text::raw(out, self.family.1);
        if self.number > 0 {
            text::number(out, u64::from(self.number) + 1);
        }
        out.push(b'@');
        text::raw(out, domain);
    }
}

/// Writes events in one form.
pub struct Renderer {
    form: Form,
    seed: u64,
    /// Of the tenant: its id, and the domain of its user names.
    tenant: Vec<u8>,
    domain: String,
    /// Prepared text of each place: `countryOrRegion`, and the location object.
    countries: Vec<Vec<u8>>,
    locations: Vec<Vec<u8>>,
    policies: parts::Policies,
    /// For JSON inside JSON text.
    scratch: Vec<u8>,
    addresses: lru::Addresses,
}

/// A small direct-mapped cache of written addresses: formatting an address is the dearest of the short writes.
mod lru {
    use super::super::network::Address;

    const SLOTS: usize = 4_096;

    pub struct Addresses(Vec<Option<(Address, Box<[u8]>)>>);

    impl Addresses {
        pub fn new() -> Addresses {
            Addresses(vec![None; SLOTS])
        }

        pub fn get(&mut self, address: Address, format: impl FnOnce() -> String) -> &[u8] {
            let key =
                (u64::from(address.host) << 16 | u64::from(address.network)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let slot = &mut self.0[(key >> 52) as usize];
            if slot.as_ref().is_none_or(|(held, _)| *held != address) {
                *slot = Some((address, format().into_bytes().into_boxed_slice()));
            }
            slot.as_ref().map_or(&[], |(_, text)| text)
        }
    }
}

impl Renderer {
    pub fn new(form: Form, tenant: Option<&str>, domain: &str, world: &World) -> Renderer {
        let mut tenant_text = Vec::new();
        match tenant {
            Some(given) => text::escaped(&mut tenant_text, given),
            None => text::guid(&mut tenant_text, &guid(world.seed, IdKind::Tenant, 0)),
        }
        let places = &world.atlas.places;
        Renderer {
            form,
            seed: world.seed,
            tenant: tenant_text,
            domain: domain.to_owned(),
            countries: places.iter().map(|place| place.country.clone().into_bytes()).collect(),
            locations: places.iter().map(parts::location).collect(),
            policies: parts::Policies::new(world.seed),
            scratch: Vec::new(),
            addresses: lru::Addresses::new(),
        }
    }

    /// False for a service principal in a form that has no record for one.
    pub fn can_write(&self, event: &Event) -> bool {
        let has_principals = matches!(self.form, Form::EntraEventHub | Form::EntraLean);
        has_principals || !matches!(event.subject, Subject::Principal(_))
    }

    /// Appends the record of one event, without a line end.
    pub fn write(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        match (self.form, event.subject) {
            (Form::EntraEventHub, Subject::Principal(number)) => self.write_principal(number, event, world, out),
            (Form::EntraEventHub, _) => self.write_event_hub(event, world, out),
            (Form::EntraLean, _) => self.write_lean(event, world, out),
            (Form::Graph, _) => self.write_graph(event, world, out),
            (Form::LogAnalytics, _) => self.write_row(event, world, out),
            (Form::Farsign, _) => self.write_farsign(event, world, out),
        }
    }

    /// The tenant's id as records have it, escaped; `None` in a form that has none.
    pub(super) fn tenant(&self) -> Option<&[u8]> {
        (self.form != Form::Graph).then_some(self.tenant.as_slice())
    }

    fn guid(&self, kind: IdKind, key: u64, out: &mut Vec<u8>) {
        text::guid(out, &guid(self.seed, kind, key));
    }

    pub(super) fn request_id(&self, event: &Event, out: &mut Vec<u8>) {
        self.guid(IdKind::Request, event.id, out);
    }

    /// The subject's id: empty for a name that is in no directory.
    pub(super) fn user_id(&self, event: &Event, out: &mut Vec<u8>) {
        match event.subject {
            Subject::User(number) => self.guid(IdKind::User, u64::from(number), out),
            Subject::Principal(number) => self.guid(IdKind::Principal, u64::from(number), out),
            Subject::Stranger(_) => {}
        }
    }

    pub(super) fn principal_name(&self, event: &Event, out: &mut Vec<u8>) {
        match event.subject {
            Subject::User(number) => Name::of(number).write_principal(&self.domain, out),
            Subject::Stranger(number) => {
                text::raw(out, GIVEN_NAMES[number as usize % GIVEN_NAMES.len()].1);
                text::number(out, u64::from(number % 997));
                out.push(b'@');
                text::raw(out, &self.domain);
            }
            Subject::Principal(_) => {}
        }
    }

    fn display_name(&self, event: &Event, out: &mut Vec<u8>) {
        match event.subject {
            Subject::User(number) => Name::of(number).write_display(out),
            Subject::Stranger(_) => {}
            Subject::Principal(number) => {
                text::raw(out, "svc-");
                text::number(out, u64::from(number));
            }
        }
    }

    fn address(&mut self, address: Address, world: &World, out: &mut Vec<u8>) {
        out.extend_from_slice(self.addresses.get(address, || world.atlas.ip(address).to_string()));
    }
}
