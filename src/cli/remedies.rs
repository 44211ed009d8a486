//! What a user can do about an error of the backend, as command lines for this machine, or in words for others.

use crate::aws::{Remedies, Remedy};
use crate::settings::{Backend, Settings};

/// Remedies in words: a reader at another machine must not see the options of this one, and cannot use them.
pub(super) fn remedies_for_others(settings: &Settings) -> Remedies {
    let here = remedies(settings);
    Remedies::new(move |remedy| match remedy {
        Remedy::SetUp => "the stack must be set up on the server's machine".to_owned(),
        Remedy::StartLocalStack => {
            "LocalStack must be started on the machine that runs it".to_owned()
        }
        Remedy::LogIn => "the server's machine must log in to AWS".to_owned(),
        Remedy::ChooseRegion | Remedy::NameRegion | Remedy::Adopt | Remedy::RemoveByHand => {
            here.words(remedy)
        }
    })
}

pub(super) fn remedies(settings: &Settings) -> Remedies {
    let settings = settings.clone();
    Remedies::new(move |remedy| match (remedy, settings.backend()) {
        (Remedy::SetUp, Backend::Aws) => settings.command("setup"),
        (Remedy::SetUp, Backend::LocalStack) => {
            let setup = settings.command("setup");
            format!("{setup}     (LocalStack forgets everything when it restarts)")
        }
        (Remedy::StartLocalStack, _) if settings.is_on_this_machine() => {
            settings.command("localstack up")
        }
        (Remedy::StartLocalStack, _) => {
            "LocalStack must be started on the machine that runs it".to_owned()
        }
        (Remedy::ChooseRegion, _) => {
            "LocalStack knows AWS's commercial regions, as in --region eu-west-1".to_owned()
        }
        (Remedy::NameRegion, _) => {
            "name one: --region NAME, AWS_REGION, or `region` in the profile".to_owned()
        }
        (Remedy::LogIn, _) => {
            "log in as the AWS CLI would, or name a profile: --profile NAME".to_owned()
        }
        (Remedy::Adopt, _) => "take it over with `--adopt`, or choose another `--stack`".to_owned(),
        (Remedy::RemoveByHand, _) => "remove it by hand, or choose another `--stack`".to_owned(),
    })
}
