package phrase

import (
	"fmt"
	"testing"

	"github.com/danielgtaylor/huma/v2/validation"
)

// checks is what huma says of requests that its schemas do not take, as far as
// schemas of this program can ask for it.
var checks = []string{
	validation.MsgUnexpectedProperty, validation.MsgExpectedRFC3339DateTime, validation.MsgExpectedRFC3339Date, validation.MsgExpectedRFC3339Time,
	validation.MsgExpectedMatchAtLeastOneSchema, validation.MsgExpectedMatchExactlyOneSchema, validation.MsgExpectedNotMatchSchema,
	validation.MsgExpectedBoolean, validation.MsgExpectedNumber, validation.MsgExpectedInteger, validation.MsgExpectedString,
	validation.MsgExpectedBase64String, validation.MsgExpectedArray, validation.MsgExpectedObject, validation.MsgExpectedArrayItemsUnique,
	validation.MsgExpectedOneOf, validation.MsgExpectedMinimumNumber, validation.MsgExpectedExclusiveMinimumNumber,
	validation.MsgExpectedMaximumNumber, validation.MsgExpectedExclusiveMaximumNumber, validation.MsgExpectedNumberBeMultipleOf,
	validation.MsgExpectedMinLength, validation.MsgExpectedMaxLength, validation.MsgExpectedMatchPattern,
	validation.MsgExpectedMinItems, validation.MsgExpectedMaxItems, validation.MsgExpectedMinProperties, validation.MsgExpectedMaxProperties,
	validation.MsgExpectedRequiredProperty, validation.MsgExpectedDependentRequiredProperty,

	// These are no constants there.
	"unknown query parameter", "required query parameter is missing", "required path parameter is missing", "required header parameter is missing",
	"expected at most one value, but received multiple values", "request body is required", "unparsable value",
	"invalid integer", "invalid float", "invalid floating value", "invalid boolean", "invalid date/time for format %s",
}

// TestHuma looks for what huma says, alone and after where it is meant, as
// problems name it.
func TestHuma(t *testing.T) {
	book := German()
	for _, format := range checks {
		text := fmt.Sprintf(format, []any{"10", "20"}[:len(plainVerb.FindAllString(format, -1))]...)
		for _, s := range []string{text, "the request is not what it should be: name: " + text, "the request is not what it should be: name: " + text + "; names[0]: " + text} {
			if got := book.Say(s); got == s {
				t.Errorf("%q is not said in German", s)
			}
		}
	}
}
