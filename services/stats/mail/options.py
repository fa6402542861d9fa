"""The settings from which e-mail addresses of users are made."""

from traitlets import HasTraits, Unicode

OPTIONS = ("email_domain", "email")
"""The names of the traits; each is a flag, with dashes."""


class EmailOptions(HasTraits):
    """Traits of the application, and the template made of them."""

    email_domain = Unicode(
        help="The domain of users' e-mail addresses, for lists of users who dropped off:"
        " with uni.example, ana's is ana@uni.example. Names with an @ are used as they are.",
    ).tag(config=True)
    email = Unicode(
        help="A template instead of --email-domain, such as {name}@students.uni.example or"
        " u-{name}@uni.example.",
    ).tag(config=True)

    def email_problems(self, *, pseudonymised: bool) -> list[str]:
        """Everything that is wrong with these settings."""
        from services.stats.query.cohort.addresses import template_problem

        found = []
        if self.email and self.email_domain:
            found.append("--email and --email-domain: write only one of them.")
        if self.email and (problem := template_problem(self.email)):
            found.append(f"--email: {problem}.")
        if self.email_domain and template_problem(f"{{name}}@{self.email_domain}"):
            found.append(
                f"--email-domain: {self.email_domain!r} is not a domain; write uni.example."
            )
        if (self.email or self.email_domain) and pseudonymised:
            found.append(
                "--email and --email-domain cannot be used with --pseudonymise: the database does"
                " not have the names."
            )
        return found

    def email_template(self) -> str:
        """The template of addresses, with ``{name}``; empty if only names can be addresses."""
        return self.email or (f"{{name}}@{self.email_domain}" if self.email_domain else "")
