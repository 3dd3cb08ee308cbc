//! How a sign-in ended: codes, words, steps, and the order in which they are believed.

use farsign::engine::decode::meaning_of;
use serde_json::{Value, json};

use crate::fixtures::{azure, properties, with_sign_in};

fn check(change: impl Fn(&mut Value), expected: &str) {
    let mut record = azure("SignInLogs", properties());
    for key in ["authenticationDetails", "authenticationRequirement", "mfaDetail", "status"] {
        record["properties"][key] = Value::Null;
    }
    change(&mut record);
    let seen =
        with_sign_in(&record, |s| format!("{:?} {:?} {:?} {:?}", s.outcome, s.credential, s.mfa, s.account));
    assert_eq!(seen, expected, "{record}");
}

#[test]
fn codes_say_what_microsoft_says_they_do() {
    for (code, expected) in [
        (0, "Success Right Unknown Normal"),
        (50126, "Failed Wrong Unknown Normal"),
        (50034, "Failed Unknown Unknown Unknown"),
        (50053, "Failed Unknown Unknown Locked"),
        (50057, "Failed Unknown Unknown Disabled"),
        (500341, "Failed Unknown Unknown Deleted"),
        (50055, "Interrupted Right Unknown Normal"),
        (50074, "Interrupted Right Pending Normal"),
        (50076, "Interrupted Right Pending Normal"),
        (50140, "Interrupted Right Unknown Normal"),
        (50058, "Interrupted Unknown Unknown Normal"),
        (500121, "Blocked Right Denied Normal"),
        (53003, "Blocked Right Unknown Normal"),
        (530032, "Blocked Right Unknown Normal"),
        (50105, "Blocked Right Unknown Normal"),
        (50173, "Failed Unknown Unknown Normal"),
        (700016, "Failed Unknown Unknown Normal"),
        (7000215, "Failed Unknown Unknown Normal"),
        (123456789, "Failed Unknown Unknown Normal"),
    ] {
        check(|record| record["properties"]["status"] = json!({"errorCode": code}), expected);
        check(|record| record["properties"]["status"] = json!({"errorCode": code.to_string()}), expected);
        check(|record| record["resultType"] = json!(code.to_string()), expected);
    }
}

#[test]
fn a_made_up_client_tells_a_right_password_with_ropc() {
    let with_protocol = |protocol: &'static str| {
        move |record: &mut Value| {
            record["properties"]["status"] = json!({"errorCode": 700016});
            record["properties"]["authenticationProtocol"] = json!(protocol);
        }
    };
    check(with_protocol("ropc"), "Blocked Right Unknown Normal");
    check(with_protocol("deviceCode"), "Failed Unknown Unknown Normal");
    assert_ne!(meaning_of(700016, true), meaning_of(700016, false));
}

#[test]
fn results_may_be_words_and_the_code_is_believed_first() {
    check(|record| record["resultType"] = json!("Success"), "Success Right Unknown Normal");
    check(|record| record["resultType"] = json!("Failure"), "Failed Unknown Unknown Normal");
    check(
        |record| {
            record["resultType"] = json!("Failure");
            record["properties"]["status"] = json!({"errorCode": 50126});
        },
        "Failed Wrong Unknown Normal",
    );
    check(|record| record["resultType"] = Value::Null, "Failed Unknown Unknown Normal");
    check(
        |record| {
            record["resultType"] = Value::Null;
            record["resultSignature"] = json!("SUCCESS");
        },
        "Success Right Unknown Normal",
    );
}

#[test]
fn mfa_is_read_from_details_then_steps_then_requirement() {
    let details = |code: u32, text: &'static str| {
        move |record: &mut Value| {
            record["properties"]["status"] = json!({"errorCode": code, "additionalDetails": text});
        }
    };
    check(details(0, "MFA requirement satisfied by claim in the token"), "Success Right Claim Normal");
    check(details(0, "MFA completed in Azure AD"), "Success Right Performed Normal");
    check(details(50074, "MFA required in Azure AD"), "Interrupted Right Pending Normal");
    check(details(50074, "MFA denied; user declined the authentication"), "Blocked Right Denied Normal");
    check(details(123456789, "MFA denied; user declined the authentication"), "Blocked Right Denied Normal");
    check(details(50126, "MFA denied; user declined the authentication"), "Failed Wrong Denied Normal");
    check(details(500121, "MFA denied; Fraud Code Entered"), "Blocked Right Reported Normal");
    check(details(500121, "MFA denied; user reported suspicious activity"), "Blocked Right Reported Normal");
    check(details(500121, "MFA denied; fraud block"), "Blocked Right Denied Normal");
    let steps = |code: u32, steps: Value| {
        move |record: &mut Value| {
            record["properties"]["status"] = json!({"errorCode": code});
            record["properties"]["authenticationDetails"] = steps.clone();
        }
    };
    let step = |requirement: &str, method: &str, succeeded: bool, result: &str| {
        json!({"authenticationMethod": method, "succeeded": succeeded, "authenticationStepResultDetail": result,
               "authenticationStepRequirement": requirement})
    };
    let mfa = |succeeded: bool, result: &str| {
        step("Multi-factor authentication", "Mobile app notification", succeeded, result)
    };
    let password = step("Primary authentication", "Password", true, "Correct password");
    check(steps(0, json!([password, mfa(true, "MFA successfully completed")])), "Success Right Performed Normal");
    check(
        steps(0, json!([mfa(true, "MFA completed"), mfa(false, "Authentication in progress")])),
        "Success Right Performed Normal",
    );
    check(steps(123456789, json!([password, mfa(false, "MFA denied")])), "Blocked Right Denied Normal");
    check(steps(500121, json!([password, mfa(false, "Fraud code entered")])), "Blocked Right Reported Normal");
    check(
        steps(500121, json!([mfa(false, "User reported fraud"), mfa(false, "MFA denied")])),
        "Blocked Right Reported Normal",
    );
    check(steps(123456789, json!([password])), "Blocked Right Unknown Normal");
    let wrong = step("Multi-factor authentication", "Password", false, "Invalid password");
    check(steps(50132, json!([wrong])), "Failed Unknown Unknown Normal");
    check(steps(123456789, json!([wrong])), "Failed Wrong Unknown Normal");
    check(steps(123456789, json!("[]")), "Failed Unknown Unknown Normal");
    check(
        steps(50140, json!(json!([mfa(false, "Authentication in progress")]).to_string())),
        "Interrupted Right Pending Normal",
    );
    let required = |code: u32, word: &'static str| {
        move |record: &mut Value| {
            record["properties"]["status"] = json!({"errorCode": code});
            record["properties"]["authenticationRequirement"] = json!(word);
        }
    };
    check(required(0, "singleFactorAuthentication"), "Success Right NotRequired Normal");
    check(required(0, "multiFactorAuthentication"), "Success Right Claim Normal");
    check(required(50140, "multiFactorAuthentication"), "Interrupted Right Pending Normal");
    check(required(50126, "multiFactorAuthentication"), "Failed Wrong Unknown Normal");
}

#[test]
fn a_record_without_result_is_a_success_only_with_a_passed_step() {
    let silent = |succeeded: bool| {
        move |record: &mut Value| {
            record["resultType"] = Value::Null;
            record["properties"]["authenticationDetails"] = json!([{"authenticationMethod": "FIDO2", "succeeded": succeeded, "authenticationStepRequirement": "Primary authentication"}]);
        }
    };
    check(silent(true), "Success Right Unknown Normal");
    check(silent(false), "Failed Unknown Unknown Normal");
}
