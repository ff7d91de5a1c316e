"""Requirements of the OAuth standards for clients, and the tests that verify them.

The requirements come from RFC 6749, 6750, 7636, 8252, 9207 and 9700, and from the practice of other clients. A row
without an existing test fails here.
"""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

ROWS = {
    (1, "a random state of at least 128 bits for each login"): [
        "login.test_state_and_verifier_are_random",
        "authlib.test_state_is_never_empty",
    ],
    (2, "the state is required, and compared before anything else"): [
        "callback.test_state_is_checked_before_anything_else",
        "callback.test_empty_state_never_matches",
        "authlib.test_fetch_token_requires_a_state_to_compare",
    ],
    (3, "a login belongs to the user's session, can be used once, and expires"): [
        "login.test_login_survives_a_json_session",
        "login.test_login_can_be_used_once",
        "login.test_login_expires_after_ten_minutes",
        "code_flow.test_finish_login_does_not_store_the_token_in_the_client",
    ],
    (4, "PKCE with S256"): [
        "login.test_challenge_matches_rfc_7636",
        "code_flow.test_complete_login",
    ],
    (5, "an injected code is useless"): [
        "code_flow.test_concurrent_logins_are_independent",
        "code_flow.test_out_of_band_login",
    ],
    (6, "no downgrade of PKCE"): ["login.test_url_has_every_parameter"],
    (7, "no mix-up of servers"): [
        "code_flow.test_code_is_never_sent_to_another_server",
        "issuer.test_other_issuer_is_rejected",
        "issuer.test_code_of_another_server_is_not_sent_although_no_issuer_is_expected",
    ],
    (8, "one exact redirect URL, in both requests"): [
        "code_flow.test_complete_login",
        "callback.test_callback_url_must_match_the_redirect_url",
        "client.test_redirect_url_and_redirect_uri_must_be_equal",
    ],
    (9, "no open redirector"): ["listener.test_page_is_static_and_isolated"],
    (10, "repeated parameters are rejected"): [
        "callback.test_repeated_parameters_are_rejected",
        "token_response.test_invalid_response_raises_without_secrets",
    ],
    (11, "no other grant, and no token from a fragment"): [
        "authlib.test_parameters_of_other_grants_are_rejected",
        "authlib.test_fetch_token_never_falls_back_to_another_grant",
        "authlib.test_token_in_a_fragment_is_rejected",
    ],
    (12, "error responses raise errors"): [
        "token_response.test_oauth_error_has_code_and_description",
        "callback.test_denial_raises_access_denied",
        "refusals.test_rejected_token_raises_unauthenticated",
        "refusals.test_missing_scope_raises_forbidden",
    ],
    (13, "a code is sent once and never again"): [
        "token_request.test_code_is_exchanged_once",
        "code_flow.test_client_works_after_a_cancelled_exchange",
    ],
    (14, "redirects of the token endpoint are not followed"): [
        "token_request.test_redirect_of_the_token_endpoint_is_not_followed"
    ],
    (15, "TLS only, and verified"): [
        "client.test_endpoints_must_be_https",
        "client.test_url_of_a_call_must_be_https",
        "token_request.test_untrusted_certificate_is_rejected",
    ],
    (16, "the token is sent in the header and never in a URL"): ["session.test_token_is_sent_once_in_the_header"],
    (17, "the token goes to the API's origin only, redirects included"): [
        "session.test_token_is_not_sent_to_another_origin",
        "session.test_redirect_to_another_origin_is_not_followed",
    ],
    (18, "strict parsing of token responses"): [
        "token_response.test_invalid_response_raises_without_secrets",
        "token_request.test_invalid_response_keeps_the_earlier_token",
    ],
    (19, "no secret in logs, reprs and errors"): [
        "session.test_secrets_are_not_logged",
        "login.test_secrets_are_redacted",
        "client.test_client_is_redacted_and_cannot_be_copied",
        "token.test_token_is_redacted_everywhere",
        "token_request.test_secrets_repeated_by_the_server_are_redacted",
    ],
    (20, "server text cannot forge log lines"): [
        "token_response.test_server_text_cannot_forge_log_lines",
        "callback.test_error_text_cannot_forge_log_lines",
    ],
    (21, "a token file is private as soon as it exists, and always complete"): [
        "private_files.test_file_is_private_before_it_is_written",
        "private_files.test_file_and_directory_are_private",
        "concurrent_stores.test_crash_during_a_write_keeps_the_earlier_login",
        "concurrent_stores.test_concurrent_processes_lose_nothing",
    ],
    (22, "the loopback address, on a port that the system selects"): [
        "loopback.test_login_with_browser",
        "listener.test_listener_is_reachable_at_the_loopback_address_only",
        "loopback.test_invalid_host_or_path_is_rejected",
    ],
    (23, "unrelated requests do not end a login"): ["listener.test_unrelated_request_does_not_end_the_login"],
    (24, "a time limit, and a port that is always closed"): [
        "loopback.test_missing_callback_times_out",
        "loopback.test_cancelled_login_closes_the_port",
        "loopback.test_failed_exchange_closes_the_port",
        "loopback.test_callers_deadline_raises_builtin_timeout_error",
    ],
    (25, "the Host header is checked"): ["listener.test_unrelated_request_does_not_end_the_login"],
    (26, "the page reflects no input and is not cached"): ["listener.test_page_is_static_and_isolated"],
    (27, "slow and hostile connections"): [
        "listener.test_slow_connection_is_closed",
        "listener.test_closed_and_silent_connections_are_tolerated",
    ],
    (28, "concurrent logins"): ["code_flow.test_concurrent_logins_are_independent"],
    (29, "the user's own browser, and no password"): [
        "browser.test_browser_process_gets_no_secrets",
        "authlib.test_parameters_of_other_grants_are_rejected",
    ],
    (30, "least scope, and revocation"): [
        "login.test_no_scope_parameter_without_scopes",
        "revocation.test_revoke_discards_the_clients_own_token",
    ],
    (31, "unambiguous framing of requests"): ["session.test_upload_is_streamed_with_one_framing"],
    (32, "event loops, threads, cancellation"): [
        "session.test_second_event_loop_is_rejected",
        "session.test_second_thread_is_rejected_without_blocking",
        "session.test_client_works_after_a_cancelled_request",
        "browser.test_browser_in_the_foreground_does_not_delay_the_login",
        "pasted_code.test_ctrl_c_at_a_prompt_ends_the_process",
        "pasted_code.test_deadline_during_a_prompt_restores_the_terminal",
    ],
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_every_row_has_tests(row: tuple[int, str]) -> None:
    for name in ROWS[row]:
        module, _, function = name.partition(".")
        found = getattr(import_module(f".test_{module}", __package__), function, None)
        assert inspect.isfunction(found), f"{name} does not exist"


def test_rows_are_complete() -> None:
    assert [number for number, _ in ROWS] == list(range(1, 33))
