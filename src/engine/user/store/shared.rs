//! Places, agents and organisations that packed users share: kept once, written into a packed user as a number.
//!
//! Counted: what no packed user names any more is dropped, so there are never more than packed users name. Numbers
//! never leave the process, and sharing changes no result: only content is ever compared.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::engine::facts::{Agent, Place};
use crate::engine::user::codec::bits::{Reader, Writer};
use crate::engine::user::codec::{PutShared, StateCodecError, TakeShared};

/// What can be shared: content with a hash and an equality of its own.
trait Content {
    fn hash(&self) -> u64;
    fn same(&self, other: &Self) -> bool;
}

fn fixed_hash(value: impl std::hash::Hash) -> u64 {
    foldhash::quality::FixedState::default().hash_one(value)
}

impl Content for Place {
    fn hash(&self) -> u64 {
        fixed_hash((self.latitude.to_bits(), self.longitude.to_bits(), &self.region, &self.city))
    }

    fn same(&self, other: &Place) -> bool {
        // Bits, since 0 is not −0 in state.
        let bits = |place: &Place| (place.latitude.to_bits(), place.longitude.to_bits());
        bits(self) == bits(other) && self == other
    }
}

impl Content for Agent {
    fn hash(&self) -> u64 {
        fixed_hash((&self.browser, self.browser_major, &self.operating_system))
    }

    fn same(&self, other: &Agent) -> bool {
        self == other
    }
}

impl Content for str {
    fn hash(&self) -> u64 {
        fixed_hash(self)
    }

    fn same(&self, other: &str) -> bool {
        self == other
    }
}

/// One kind of shared record.
struct Pool<T: ?Sized> {
    index: HashTable<u32>,
    slots: Vec<Option<(Arc<T>, u32)>>,
    free: Vec<u32>,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool { index: HashTable::new(), slots: Vec::new(), free: Vec::new() }
    }
}

fn content<T: ?Sized>(slots: &[Option<(Arc<T>, u32)>], number: u32) -> Option<&Arc<T>> {
    slots.get(number as usize)?.as_ref().map(|(value, _)| value)
}

impl<T: Content + ?Sized> Pool<T> {
    /// The record's number, counted once more.
    fn number(&mut self, value: &Arc<T>) -> u32 {
        let hash = value.hash();
        let slots = &self.slots;
        let known = self.index.find(hash, |number| content(slots, *number).is_some_and(|known| known.same(value)));
        if let Some(number) = known.copied() {
            if let Some((_, count)) = &mut self.slots[number as usize] {
                *count += 1;
            }
            return number;
        }
        let number = self.free.pop().unwrap_or(self.slots.len() as u32);
        if number as usize == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[number as usize] = Some((value.clone(), 1));
        let slots = &self.slots;
        self.index.insert_unique(hash, number, |number| content(slots, *number).map_or(0, |known| known.hash()));
        number
    }

    /// The record of a number, counted once less.
    fn take(&mut self, number: u32) -> Result<Arc<T>, StateCodecError> {
        let slot = self.slots.get_mut(number as usize).ok_or(StateCodecError::Range("shared record"))?;
        let (value, count) = slot.as_mut().ok_or(StateCodecError::Range("shared record"))?;
        let value = value.clone();
        *count -= 1;
        if *count == 0 {
            *slot = None;
            self.free.push(number);
            if let Ok(entry) = self.index.find_entry(value.hash(), |known| *known == number) {
                entry.remove();
            }
        }
        Ok(value)
    }
}

/// All that packed users share.
#[derive(Default)]
pub(super) struct Shared {
    places: Pool<Place>,
    agents: Pool<Agent>,
    organizations: Pool<str>,
}

impl Shared {
    /// Distinct records kept.
    pub(super) fn len(&self) -> usize {
        self.places.index.len() + self.agents.index.len() + self.organizations.index.len()
    }
}

/// Order of the code of a number: below 64, seven bits.
const NUMBER_ORDER: u32 = 6;

impl PutShared for Shared {
    fn place(&mut self, writer: &mut Writer<'_>, place: &Arc<Place>) {
        writer.number(self.places.number(place), NUMBER_ORDER);
    }

    fn agent(&mut self, writer: &mut Writer<'_>, agent: &Arc<Agent>) {
        writer.number(self.agents.number(agent), NUMBER_ORDER);
    }

    fn organization(&mut self, writer: &mut Writer<'_>, organization: &Arc<str>) {
        writer.number(self.organizations.number(organization), NUMBER_ORDER);
    }
}

impl TakeShared for Shared {
    fn place(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Place>, StateCodecError> {
        let number = reader.number(NUMBER_ORDER)?;
        self.places.take(number)
    }

    fn agent(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Agent>, StateCodecError> {
        let number = reader.number(NUMBER_ORDER)?;
        self.agents.take(number)
    }

    fn organization(&mut self, reader: &mut Reader<'_>) -> Result<Arc<str>, StateCodecError> {
        let number = reader.number(NUMBER_ORDER)?;
        self.organizations.take(number)
    }
}
