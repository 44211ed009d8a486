//! The path that a request travels, through the program against real LocalStack.

mod states;
mod watch;
mod work;
