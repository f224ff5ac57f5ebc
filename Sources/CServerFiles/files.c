#include "CServerFiles.h"

// #embed is C23's; clang has it in all modes, and warns of it in older ones.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char page[] = {
#embed "page.html"
};

static const unsigned char openapi[] = {
#embed "openapi.json"
};

const unsigned char *mio_server_page(size_t *count) {
  *count = sizeof page;
  return page;
}

const unsigned char *mio_server_openapi(size_t *count) {
  *count = sizeof openapi;
  return openapi;
}
