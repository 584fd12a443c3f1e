/* `mailtap fields` alone, for the test that compares it with docs/fields.md. */
#include "app.h"

int main(int argc, char **argv)
{
    return mt_app_fields(argc, argv);
}
