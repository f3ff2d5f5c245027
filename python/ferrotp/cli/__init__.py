"""The command line. It needs the extra ``ferrotp[cli]``; nothing but ``ferrotp.__main__`` loads it.

`sources` is where secrets come from, `settings` what the options say of an account, `output` what people and programs
are shown. Each other module is a verb, or a few that belong together; `app` puts them in one command.
"""
