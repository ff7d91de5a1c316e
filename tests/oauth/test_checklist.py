"""What OAuth's standards ask of a client, and the tests that show it.

The numbers are those of a checklist drawn from RFC 6749, 6750, 7636, 8252, 9207 and 9700 and from the habits
of other clients. A row without a test of its own fails here.
"""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

ROWS = {
    (1, "an unguessable state of at least 128 bits, fresh each time"): [
        "login.test_state_and_verifier_are_fresh_and_cannot_be_guessed",
        "client.test_a_state_is_never_empty",
    ],
    (2, "the state is required, and compared before anything else"): [
        "callback.test_the_state_comes_first",
        "callback.test_an_empty_state_is_never_right",
        "client.test_a_callback_without_a_state_to_compare_is_refused",
    ],
    (3, "a login belongs to the user's session, is used once, and does not last"): [
        "login.test_a_session_keeps_it_as_plain_json",
        "login.test_it_can_be_used_once",
        "login.test_it_expires_after_ten_minutes",
        "client.test_finishing_a_login_is_not_logging_the_client_in",
    ],
    (4, "PKCE with S256"): [
        "login.test_the_challenge_is_that_of_the_standard",
        "client.test_a_login_from_beginning_to_end",
    ],
    (5, "an injected code is worth nothing"): ["client.test_many_logins_at_once_keep_apart", "client.test_out_of_band"],
    (6, "no downgrade of PKCE"): ["login.test_the_url_has_all_that_a_server_may_want"],
    (7, "no mix-up of servers"): ["client.test_a_code_of_one_server_never_goes_to_another"],
    (8, "one exact redirect URL, in both requests"): [
        "client.test_a_login_from_beginning_to_end",
        "callback.test_a_url_must_lead_to_the_redirect_url",
        "client.test_two_redirect_urls_must_be_one",
    ],
    (9, "no open redirector"): ["loopback.test_the_page_is_static_and_keeps_to_itself"],
    (10, "repeated parameters are refused"): [
        "callback.test_repeated_parameters_are_refused",
        "answer.test_everything_else_is_an_error_that_gives_nothing_away",
    ],
    (11, "no other grant, and no token from a fragment"): [
        "client.test_there_is_no_other_grant",
        "client.test_authlibs_way_cannot_be_led_to_another_grant",
        "client.test_a_token_in_a_fragment_is_never_taken",
    ],
    (12, "error answers are errors"): [
        "answer.test_an_oauth_error_keeps_its_code_and_description",
        "callback.test_a_denial_is_an_error_of_its_own",
        "session.test_a_token_that_is_refused_is_final",
        "session.test_a_missing_right_is_told",
    ],
    (13, "a code is sent once and never again"): [
        "client.test_a_code_is_exchanged_once",
        "client.test_a_cancelled_exchange_leaves_the_client_whole",
    ],
    (14, "redirects of the token endpoint are refused"): [
        "client.test_a_redirect_of_the_token_endpoint_is_not_followed"
    ],
    (15, "TLS only, and verified"): [
        "client.test_an_address_must_be_https",
        "client.test_an_address_given_to_a_call_must_be_https",
        "client.test_a_server_that_nobody_vouches_for_is_refused",
    ],
    (16, "the token is in the header and never in a URL"): ["session.test_a_request_carries_the_token_once"],
    (17, "the token goes to the API's origin only, redirects included"): [
        "session.test_the_token_goes_to_no_other_origin",
        "session.test_a_redirect_to_another_origin_takes_nothing_along",
    ],
    (18, "a strict reading of token answers"): [
        "answer.test_everything_else_is_an_error_that_gives_nothing_away",
        "client.test_a_bad_answer_leaves_the_earlier_token",
    ],
    (19, "nothing secret in logs, reprs and errors"): [
        "session.test_nothing_secret_is_logged",
        "login.test_nothing_secret_is_shown",
        "client.test_a_client_shows_nothing_and_stays_where_it_is",
        "token.test_it_shows_itself_nowhere",
        "client.test_the_server_repeats_what_it_got",
    ],
    (20, "text of the server cannot forge lines in a log"): [
        "answer.test_text_of_the_server_cannot_forge_lines_in_a_log",
        "callback.test_text_in_an_error_cannot_forge_lines",
    ],
    (21, "a file of tokens is private from the first moment, and whole"): [
        "store.test_the_file_is_private_before_anything_is_in_it",
        "store.test_file_and_directory_are_the_owners_alone",
        "store.test_a_crash_in_the_middle_of_a_write_leaves_the_earlier_login",
        "store.test_two_processes_at_once_lose_nothing",
    ],
    (22, "the loopback literal, on a port of the system's choice"): [
        "loopback.test_a_login_through_the_browser",
        "loopback.test_it_is_reached_on_the_literal_only",
        "loopback.test_it_listens_nowhere_else",
    ],
    (23, "strangers do not end a login"): ["loopback.test_a_stranger_is_answered_and_does_not_end_it"],
    (24, "a time limit, and a closed port on every way out"): [
        "loopback.test_nobody_answers",
        "loopback.test_it_is_cancelled",
        "loopback.test_the_exchange_fails",
        "loopback.test_a_deadline_of_the_callers_own_is_the_builtin",
    ],
    (25, "the Host header is checked"): ["loopback.test_a_stranger_is_answered_and_does_not_end_it"],
    (26, "the page reflects nothing and is not kept"): ["loopback.test_the_page_is_static_and_keeps_to_itself"],
    (27, "slow and hostile peers"): [
        "loopback.test_a_slow_peer_is_let_go",
        "loopback.test_peers_that_go_away_or_stay_silent_do_not_matter",
    ],
    (28, "several logins at once"): ["client.test_many_logins_at_once_keep_apart"],
    (29, "the user's own browser, no password"): [
        "loopback.test_the_systems_browser_is_the_default",
        "client.test_there_is_no_other_grant",
    ],
    (30, "least scope, and revocation"): [
        "login.test_without_scopes_none_are_sent",
        "client.test_revoking_drops_the_clients_own_token",
    ],
    (31, "clean framing of requests"): ["session.test_an_upload_is_streamed_with_one_framing"],
    (32, "event loops, threads, cancellation"): [
        "session.test_one_client_in_two_event_loops_is_told",
        "session.test_one_client_in_two_threads_is_told_and_does_not_hang",
        "session.test_a_cancelled_request_leaves_the_others",
    ],
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_each_row_has_its_tests(row: tuple[int, str]) -> None:
    for name in ROWS[row]:
        module, _, function = name.partition(".")
        found = getattr(import_module(f".test_{module}", __package__), function, None)
        assert inspect.isfunction(found), f"{name} is gone"


def test_no_row_is_left_out() -> None:
    assert [number for number, _ in ROWS] == list(range(1, 33))
