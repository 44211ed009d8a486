//! What a request asks for.

/// A ride and its customer. `T` is an `Option` where a message or the command line may leave parts out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ride<T = String> {
    /// The city where it begins.
    pub from: T,
    /// The city where it ends.
    pub to: T,
    /// The customer's name.
    pub customer: T,
}

impl<T> Ride<T> {
    /// Applies `change` to each part.
    pub fn map<U>(&self, mut change: impl FnMut(&T) -> U) -> Ride<U> {
        Ride { from: change(&self.from), to: change(&self.to), customer: change(&self.customer) }
    }
}

impl Ride<Option<String>> {
    /// The whole ride; `None` if a part is missing.
    pub fn complete(&self) -> Option<Ride> {
        let Self { from, to, customer } = self.clone();
        Some(Ride { from: from?, to: to?, customer: customer? })
    }

    /// Fills in missing parts from `other`.
    pub fn or(&self, other: Ride) -> Ride {
        let Self { from, to, customer } = self.clone();
        Ride {
            from: from.unwrap_or(other.from),
            to: to.unwrap_or(other.to),
            customer: customer.unwrap_or(other.customer),
        }
    }
}
