#ifndef MIO_SERVER_FILES_H
#define MIO_SERVER_FILES_H

#include <stddef.h>

/// The bytes of page.html, as they are sent to browsers.
const unsigned char *mio_server_page(size_t *count);

/// The bytes of openapi.json.
const unsigned char *mio_server_openapi(size_t *count);

#endif
