//! The path that a request travels, through the program against real LocalStack.

mod answers;
mod demo;
mod states;
mod submissions;
mod watch;
mod work;
