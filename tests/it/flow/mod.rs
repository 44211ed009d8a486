//! The path that a request travels, through the program against real LocalStack.

mod answers;
mod bench;
mod budget;
mod bulk;
mod clocks;
mod conditions;
mod conservation;
mod demo;
mod details;
mod envelopes;
mod hostile;
mod large;
mod letters;
mod letters_shown;
mod purge;
mod senders;
mod states;
mod submissions;
mod trace;
mod waits;
mod watch;
mod work;
