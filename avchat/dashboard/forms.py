"""What people fill in on the dashboard. The rules are the tenants' services'; forms only carry them to the fields."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, PasswordResetForm, SetPasswordForm
from django.core.validators import MaxLengthValidator

from avchat.dashboard.post import POST
from avchat.tenants import services

LONGEST_PASSWORD = 1024
GOOD_PASSWORD = "At least 10 characters, and not one that is easily guessed."


class Described:
    """Ties each field to its help and its errors, for those who hear the page."""

    fields: dict[str, forms.Field]
    errors: Any

    def describe(self) -> None:
        for name, field in self.fields.items():
            ids = [f"{name}-help"] if field.help_text else []
            if self.errors.get(name):
                ids.append(f"{name}-error")
                field.widget.attrs["aria-invalid"] = "true"
            if ids:
                field.widget.attrs["aria-describedby"] = " ".join(ids)


class SignUp(Described, forms.Form):
    name = forms.CharField(max_length=80, label="Your name", widget=forms.TextInput({"autocomplete": "name"}))
    email = forms.EmailField(max_length=254, label="E-mail", widget=forms.EmailInput({"autocomplete": "email"}))
    password = forms.CharField(
        max_length=LONGEST_PASSWORD,
        strip=False,
        label="Password",
        help_text=GOOD_PASSWORD,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )


class LogIn(Described, AuthenticationForm):
    error_messages = {
        "invalid_login": "This e-mail and password do not go together.",
        "inactive": "This account is closed.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget = forms.EmailInput({"autocomplete": "username", "maxlength": 254})
        self.fields["password"].widget.attrs["autocomplete"] = "current-password"


class NewPassword(Described, SetPasswordForm):  # type: ignore[type-arg] # Generic to the type checker only.
    """A new password for somebody who has already shown who they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = GOOD_PASSWORD
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(LONGEST_PASSWORD))


class ChangePassword(NewPassword, PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = "Password now"
        del self.fields["old_password"].widget.attrs["autofocus"]


class AskForReset(Described, PasswordResetForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "E-mail"

    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        POST.submit(super().send_mail, *args, **kwargs)


class AddSite(Described, forms.Form):
    name = forms.CharField(
        max_length=80,
        label="Name",
        help_text="As your members know it.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    url = forms.CharField(
        max_length=300,
        label="Address",
        help_text="Where the site is, like https://forum.example.org.",
        widget=forms.TextInput({"inputmode": "url", "autocomplete": "url", "autocapitalize": "none", "dir": "ltr"}),
    )


class AddOrigin(Described, forms.Form):
    origin = forms.CharField(
        max_length=300,
        label="Address of an origin",
        widget=forms.TextInput(
            {
                "inputmode": "url",
                "autocomplete": "off",
                "autocapitalize": "none",
                "placeholder": "https://",
                "dir": "ltr",
            }
        ),
    )


class AddSecret(Described, forms.Form):
    label = forms.CharField(
        max_length=40, required=False, label="Label", help_text="To tell it from the others, like “2027”."
    )


class NamedSite(Described, forms.Form):
    """What is gone cannot be had back, so the site's name is asked for."""

    name = forms.CharField(max_length=80, label="The site's name", widget=forms.TextInput({"autocomplete": "off"}))

    def __init__(self, *args: Any, site_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.site_name = site_name
        self.fields["name"].help_text = f"Type {site_name} to go on."

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.strip() != self.site_name.strip():
            raise forms.ValidationError(f"This is not the site's name, which is {self.site_name}.")
        return name


class Retention(Described, forms.Form):
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=services.MAX_RETENTION_DAYS,
        label="Days",
        help_text="Empty: for ever.",
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )


class Digest(Described, forms.Form):
    minutes = forms.IntegerField(
        min_value=1,
        max_value=services.MAX_DIGEST_MINUTES,
        label="Minutes away",
        help_text="How long a member has to be gone before a mail goes out.",
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )
    excerpts = forms.BooleanField(
        required=False,
        label="Show how messages begin",
        help_text="Otherwise a mail says who wrote and how much, and nothing of what.",
    )
