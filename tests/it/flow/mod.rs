//! The path that a request travels, through the program against real LocalStack.

mod answers;
mod bench;
mod budget;
mod bulk;
mod clocks;
mod conditions;
mod conservation;
mod demo;
mod envelopes;
mod hostile;
mod large;
mod letters;
mod payload;
mod states;
mod submissions;
mod trace;
mod watch;
mod work;
